"""When a decision is active: an OR of ANDs of literals about other decisions, collected from the module."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Option, Value, members


@dataclass(frozen=True)
class When:
    """True if the value of `decision` is, or contains, one of `options`.

    False while that decision is inactive.
    """

    decision: str
    options: frozenset[Option]

    def holds(self, value: Value) -> bool:
        """Whether this value makes the literal true."""
        return not self.options.isdisjoint(members(value))


Conjunction = frozenset[When]
Condition = frozenset[Conjunction]  # an OR of ANDs; empty = never

ALWAYS: Condition = frozenset([frozenset()])


def simplify(condition: Iterable[Conjunction]) -> Condition:
    """Drop every conjunction that another one already implies."""
    every = set(condition)
    return frozenset(c for c in every if not any(other < c for other in every))


def plainest(conditions: Mapping[str, Condition], options: Mapping[str, Set[Option]]) -> dict[str, Condition]:
    """The same conditions with fewer conjunctions and literals; `options` are all those of each decision.

    Conjunctions that differ in one decision's options become one, and a literal goes that allows every option
    of a decision that is active wherever the rest holds.
    """
    plain: dict[str, Condition] = {}
    for name in in_order(conditions):
        before, now = None, conditions[name]
        while now != before:
            before = now
            now = simplify(
                frozenset(w for w in c if not _certain(w, c, plain[w.decision], options))
                for c in _joined(now)
            )
        plain[name] = now
    return {name: plain[name] for name in conditions}


def _joined(condition: Condition) -> Condition:
    """Conjunctions that differ in the options of one decision as one."""
    for decision in sorted(reads(condition)):
        alike: dict[Conjunction, set[Option]] = {}
        rest = set()
        for conjunction in condition:
            mine = [when for when in conjunction if when.decision == decision]
            if len(mine) == 1:
                alike.setdefault(conjunction - {mine[0]}, set()).update(mine[0].options)
            else:
                rest.add(conjunction)
        condition = frozenset({*rest, *(c | {When(decision, frozenset(o))} for c, o in alike.items())})
    return condition


def _certain(
    when: When, conjunction: Conjunction, needs: Condition, options: Mapping[str, Set[Option]]
) -> bool:
    """Whether a literal holds wherever the rest of its conjunction does."""
    rest = conjunction - {when}
    return when.options >= options[when.decision] and any(
        all(any(o.decision == w.decision and o.options <= w.options for o in rest) for w in c) for c in needs
    )


def active(condition: Condition, values: Mapping[str, Value]) -> bool:
    """Whether a decision under `condition` is active, given the values of the decisions before it."""
    return any(all(w.decision in values and w.holds(values[w.decision]) for w in c) for c in condition)


def reads(condition: Condition) -> set[str]:
    """The decisions a condition looks at."""
    return {when.decision for conjunction in condition for when in conjunction}


def in_order(conditions: Mapping[str, Condition]) -> list[str]:
    """Names so that every decision comes after those its condition reads, else in the given order.

    Raises `UsageError` naming the decisions of a circle.
    """
    placed: dict[str, None] = {}
    waiting = list(conditions)
    while waiting:
        ready = next((n for n in waiting if reads(conditions[n]) <= placed.keys()), None)
        if ready is None:
            raise UsageError(
                "these decisions switch each other on in a circle: " + ", ".join(map(repr, waiting))
            )
        waiting.remove(ready)
        placed[ready] = None
    return list(placed)
