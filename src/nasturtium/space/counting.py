"""Exact counting and exactly uniform sampling of architectures under conditions and constraints.

The space is compiled once into a decision diagram. A `Product` holds parts that do not influence each other,
a `Branch` holds one decision whose values are grouped by what they switch on. Counts multiply along products
and add along branches, so a draw that follows the counts is uniform over architectures, not over decisions.
"""

import bisect
import itertools
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nasturtium.space.conditions import Condition, in_order, reads, simplify
from nasturtium.space.constraints import Constraint, Summarised
from nasturtium.space.decision import Decision, Value

MOST_NODES = 50_000  # above this a diagram takes many seconds; only constraints over many decisions reach it


class TooEntangled(Exception):
    """The constraints tie so many decisions together that exact counting is out of reach."""


@dataclass(frozen=True, eq=False)
class Product:
    """Parts that are chosen independently."""

    parts: tuple["Branch", ...]

    @cached_property
    def count(self) -> int:
        """How many joint choices there are."""
        total = 1
        for part in self.parts:
            total *= part.count
        return total

    def draw(self, rng: np.random.Generator, into: dict[str, Value]) -> None:
        """Add one uniformly drawn choice to `into`."""
        for part in self.parts:
            part.draw(rng, into)

    def all(self) -> Iterator[dict[str, Value]]:
        """Every joint choice, lazily."""
        if not self.parts:
            yield {}
            return
        for head in self.parts[0].all():
            for tail in Product(self.parts[1:]).all():
                yield head | tail


@dataclass(frozen=True, eq=False)
class Branch:
    """One decision: groups of values, each with what it leads to."""

    name: str
    groups: tuple[tuple[tuple[Value, ...], Product], ...]

    @cached_property
    def _sums(self) -> list[int]:
        return list(itertools.accumulate(len(values) * rest.count for values, rest in self.groups))

    @property
    def count(self) -> int:
        """How many choices there are from here on."""
        return self._sums[-1]

    def draw(self, rng: np.random.Generator, into: dict[str, Value]) -> None:
        """Add one uniformly drawn choice to `into`."""
        ticket = below(rng, self.count)
        group = bisect.bisect_right(self._sums, ticket)
        values, rest = self.groups[group]
        before = self._sums[group - 1] if group else 0
        into[self.name] = values[(ticket - before) // rest.count]
        rest.draw(rng, into)

    def all(self) -> Iterator[dict[str, Value]]:
        """Every choice from here on, lazily."""
        for values, rest in self.groups:
            for value in values:
                for tail in rest.all():
                    yield {self.name: value} | tail


def below(rng: np.random.Generator, n: int) -> int:
    """A uniform integer in 0..n-1, for `n` of any size."""
    if n <= 2**63:
        return int(rng.integers(n))
    size = (n.bit_length() + 7) // 8
    while True:
        ticket = int.from_bytes(rng.bytes(size), "big") >> (8 * size - n.bit_length())
        if ticket < n:
            return ticket


@dataclass(frozen=True)
class _State:
    """What is left to decide.

    Open decisions with their remaining conditions, open constraints with what matters of the values seen.
    """

    open: tuple[tuple[str, Condition], ...]
    rules: tuple[tuple[int, Hashable], ...]


class Compiler:
    """Compiles decisions, conditions and constraints into a `Product`; equal remainders are shared."""

    def __init__(
        self,
        decisions: Mapping[str, Decision],
        conditions: Mapping[str, Condition],
        constraints: Sequence[Constraint],
    ) -> None:
        self._decisions = decisions
        self._constraints = constraints
        self._summaries = [c.summary if isinstance(c, Summarised) else _remembered for c in constraints]
        self._order = in_order(conditions)
        self._rank = {name: i for i, name in enumerate(self._order)}
        self._shared: dict[_State, Branch | None] = {}
        self._conditions = conditions

    def compile(self) -> Product | None:
        """The diagram, or None if no architecture satisfies the constraints; raises `TooEntangled`."""
        open_ = {name: self._conditions[name] for name in self._order}
        return self._settle({}, open_, {i: {} for i in range(len(self._constraints))})

    def _product(self, open_: dict[str, Condition], rules: dict[int, dict[str, Value]]) -> Product | None:
        parts = []
        for names in self._components(open_, rules):
            mine = {n: open_[n] for n in sorted(names, key=self._rank.__getitem__)}
            tied = {i: seen for i, seen in rules.items() if not self._constraints[i].reads.isdisjoint(names)}
            seen_so_far = tuple((i, self._summaries[i](seen)) for i, seen in tied.items())
            state = _State(tuple(mine.items()), seen_so_far)
            if state not in self._shared:
                if len(self._shared) >= MOST_NODES:
                    raise TooEntangled
                self._shared[state] = self._branch(mine, tied)
            part = self._shared[state]
            if part is None:
                return None
            parts.append(part)
        return Product(tuple(parts))

    def _branch(self, open_: dict[str, Condition], rules: dict[int, dict[str, Value]]) -> Branch | None:
        name = next(iter(open_))  # the first in order depends on nothing that is still open
        groups = []
        for values in self._grouped(name, open_, rules):
            rest = self._settle({name: values[0]}, {n: c for n, c in open_.items() if n != name}, rules)
            if rest is not None:
                groups.append((values, rest))
        return Branch(name, tuple(groups)) if groups else None

    def _grouped(
        self, name: str, open_: dict[str, Condition], rules: dict[int, dict[str, Value]]
    ) -> list[tuple[Value, ...]]:
        """The values of a decision, those together that make no difference to what is left."""
        literals = [w for condition in open_.values() for c in condition for w in c if w.decision == name]
        read = any(name in self._constraints[i].reads for i in rules)
        groups: dict[object, list[Value]] = {}
        for value in self._decisions[name].values():
            key = (value if read else None, *(w.holds(value) for w in literals))
            groups.setdefault(key, []).append(value)
        return [tuple(values) for values in groups.values()]

    def _settle(
        self, chosen: Mapping[str, Value], open_: dict[str, Condition], rules: dict[int, dict[str, Value]]
    ) -> Product | None:
        """What is left of `open_`, which is in order, and of `rules` once `chosen` is."""
        settled: dict[str, Value | None] = {**chosen}
        left: dict[str, Condition] = {}
        for name, condition in open_.items():
            remaining = _assign(condition, settled)
            if remaining:
                left[name] = remaining
            else:
                settled[name] = None
        seen = {
            i: values
            | {n: v for n, v in settled.items() if v is not None and n in self._constraints[i].reads}
            for i, values in rules.items()
        }
        still = {}
        for i, values in seen.items():
            if self._constraints[i].reads.isdisjoint(left):
                if self._constraints[i].violation(values) is not None:
                    return None
            else:
                still[i] = values
        return self._product(left, still)

    def _components(self, open_: dict[str, Condition], rules: dict[int, dict[str, Value]]) -> list[set[str]]:
        """Split what is open into parts that neither a condition nor a constraint ties together."""
        ties = [{name} | (reads(condition) & open_.keys()) for name, condition in open_.items()]
        ties += [set(self._constraints[i].reads & open_.keys()) for i in rules]
        return _joined(ties)


def _remembered(values: Mapping[str, Value]) -> Hashable:
    return tuple(sorted(values.items()))


def _assign(condition: Condition, settled: Mapping[str, Value | None]) -> Condition:
    """The condition once some decisions have a value, or are known to be inactive (None)."""
    left = []
    for conjunction in condition:
        remaining = []
        for when in conjunction:
            if when.decision not in settled:
                remaining.append(when)
                continue
            value = settled[when.decision]
            if value is None or not when.holds(value):
                break
        else:
            left.append(frozenset(remaining))
    return simplify(left)


def _joined(ties: Sequence[set[str]]) -> list[set[str]]:
    parts: list[set[str]] = []
    for tie in ties:
        touching = [p for p in parts if not p.isdisjoint(tie)]
        parts = [p for p in parts if p.isdisjoint(tie)]
        parts.append(tie.union(*touching))
    return [p for p in parts if p]
