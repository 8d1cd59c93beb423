"""Structural constraints between decisions: what must hold besides each decision's own options."""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from nasturtium.space.decision import Option, Value, members


class Constraint(Protocol):
    """A rule over the decisions in `reads`; inactive ones are missing from the mapping it is shown."""

    @property
    def reads(self) -> frozenset[str]:
        """The names of the decisions that the rule looks at."""

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """Why `values` break the rule, or None."""


@runtime_checkable
class Summarised(Constraint, Protocol):
    """A constraint that need not remember every value: counting joins what has the same summary.

    Without this, exact counting is out of reach for a rule over some twenty decisions.
    """

    def summary(self, values: Mapping[str, Value]) -> Hashable:
        """What the verdict still depends on when `values`, of some decisions in `reads`, are known.

        Where summaries are equal and the same decisions are still open, the verdicts must be equal whatever
        values these get.
        """


@dataclass(frozen=True)
class Rule:
    """A constraint from a function:

    `holds` is called with the values of the decisions in `reads` that are active.
    """

    reason: str
    reads: frozenset[str]
    holds: Callable[[Mapping[str, Value]], bool]

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """The rule's reason with the values that broke it, or None."""
        seen = {name: values[name] for name in sorted(self.reads) if name in values}
        if self.holds(seen):
            return None
        return f"{self.reason} (got {', '.join(f'{name}={value}' for name, value in seen.items())})"


@dataclass(frozen=True)
class Count:
    """At least `least` and at most `most` (None: any number) of the decisions in `reads` take one of
    `options`; inactive ones don't count.
    """

    reason: str
    reads: frozenset[str]
    options: frozenset[Option]
    least: int = 0
    most: int | None = None

    def _count(self, values: Mapping[str, Value]) -> int:
        return sum(
            name in values and not self.options.isdisjoint(members(values[name])) for name in self.reads
        )

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """The rule's reason with the number found, or None."""
        found = self._count(values)
        if found >= self.least and (self.most is None or found <= self.most):
            return None
        return f"{self.reason} (got {found})"

    def summary(self, values: Mapping[str, Value]) -> Hashable:
        """How many so far, up to where more make no difference."""
        return min(self._count(values), self.least if self.most is None else self.most + 1)


@dataclass(frozen=True)
class Path:
    """A way leads from the vertex `start` to `end` along those `edges` (decision → source and target) whose
    value is `on`.
    """

    reason: str
    edges: Mapping[str, tuple[int, int]]
    on: Option
    start: int
    end: int

    @property
    def reads(self) -> frozenset[str]:
        """The edges."""
        return frozenset(self.edges)

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """The rule's reason with the edges there are, or None."""
        there = self._there(values)
        if self.end in reached(self.start, there):
            return None
        return f"{self.reason} (got {', '.join(f'{s}→{t}' for s, t in there) or 'no edges'})"

    def summary(self, values: Mapping[str, Value]) -> Hashable:
        """Which vertices are connected by now, as far as edges that are still open lead to and from them."""
        there = self._there(values)
        if self.end in reached(self.start, there):
            return True
        missing = [edge for name, edge in self.edges.items() if name not in values]
        first, last = {self.start, *(t for _, t in missing)}, {self.end, *(s for s, _ in missing)}
        return frozenset((s, t) for s in first for t in reached(s, there) & last)

    def _there(self, values: Mapping[str, Value]) -> list[tuple[int, int]]:
        return [edge for name, edge in self.edges.items() if values.get(name) == self.on]


def reached(start: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    """The vertices that a way leads to from `start`, itself included."""
    left, found, border = list(edges), {start}, {start}
    while border:
        border = {target for source, target in left if source in border} - found
        found |= border
    return found


def used(edges: Collection[tuple[int, int]], last: int) -> list[int]:
    """The vertices on a way from vertex 0 to `last`, in order; none if no way leads there."""
    backwards = [(target, source) for source, target in edges]
    return sorted(reached(0, edges) & reached(last, backwards)) if last in reached(0, edges) else []
