"""The pure-data search space: decisions, the conditions that switch them on, and constraints between them."""

import reprlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space import canonical, encodings
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, NamedCell, cell_graphs, named_cells
from nasturtium.space.conditions import ALWAYS, Condition, When, active, in_order, reads
from nasturtium.space.constraints import Constraint
from nasturtium.space.counting import Compiler, Product, TooEntangled
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.space.graph_arrays import Layout, layout

Crossover = Literal["uniform", "single-point", "cell"]
MOST_REPAIRS = 100  # changes that may break a constraint before we start afresh
MOST_TRIES = 10_000  # draws that may break a constraint before we say that it is too rarely met


class SearchSpace:
    """What black-box strategies explore. `decisions` keep their order; `conditions` default to always active.

    `graphs` tells the cells of an architecture where decision names don't (see `cell_graphs`).

    Raises `UsageError` if two decisions share a name, a condition or constraint reads an unknown decision, or
    conditions form a circle.
    """

    unbounded = False
    """Whether there is no largest architecture; such a space has no encodings."""

    def __init__(
        self,
        decisions: Sequence[Decision],
        conditions: Mapping[str, Condition] | None = None,
        constraints: Sequence[Constraint] = (),
        *,
        graphs: Callable[[Architecture], Sequence[CellGraph]] | None = None,
    ) -> None:
        self.graphs = graphs
        self.decisions: dict[str, Decision] = {d.name: d for d in decisions}
        if len(self.decisions) != len(decisions):
            twice = [name for name, n in Counter(d.name for d in decisions).items() if n > 1]
            raise UsageError(f"decisions share a name: {', '.join(twice)}")
        given = dict(conditions or {})
        self.conditions: dict[str, Condition] = {name: given.pop(name, ALWAYS) for name in self.decisions}
        self.constraints: tuple[Constraint, ...] = tuple(constraints)
        self._refuse_unknown(given)
        self._order = in_order(self.conditions)

    def _refuse_unknown(self, extra: Mapping[str, Condition]) -> None:
        used = {"a condition": set(extra).union(*(reads(c) for c in self.conditions.values()))}
        used["a constraint"] = set().union(*(c.reads for c in self.constraints))
        for who, names in used.items():
            for name in sorted(names - self.decisions.keys()):
                raise UsageError(f"{who} names {name!r}, no decision: {did_you_mean(name, self.decisions)}")

    # --- counting and drawing
    @cached_property
    def _exact(self) -> Product | None:
        """The diagram of exactly the valid architectures;

        None if the constraints are too entangled for one.
        """
        try:
            diagram = Compiler(self.decisions, self.conditions, self.constraints).compile()
        except TooEntangled:
            return None
        if diagram is None:
            rules = "; ".join(map(_reason, self.constraints))
            raise UsageError(f"no architecture satisfies all constraints of this space: {rules}")
        return diagram

    @cached_property
    def _unconstrained(self) -> Product:
        diagram = Compiler(self.decisions, self.conditions, ()).compile()
        assert diagram is not None  # without constraints every branch has a value
        return diagram

    def size(self) -> int | float:
        """The exact number of architectures, conditions and constraints included; `math.inf` if unbounded.

        Raises `UsageError` if no architecture satisfies the constraints, or if they tie so many decisions
        together that counting is out of reach.
        """
        if self._exact is None:
            raise UsageError(
                "the constraints of this space tie too many decisions together to count architectures"
            )
        return self._exact.count

    def has_at_most(self, number: int) -> bool:
        """Whether there are so many architectures or fewer; not where they can't be counted."""
        try:
            return self.size() <= number
        except UsageError:
            return False

    def sample(self, rng: np.random.Generator) -> Architecture:
        """One architecture, uniform over all valid architectures (not over decisions).

        Raises `UsageError` if none satisfies the constraints, or none was met in 10,000 draws.
        """
        if self._exact is not None:
            return self._draw(self._exact, rng)
        broken: Counter[str] = Counter()
        for _ in range(MOST_TRIES):
            arch = self._draw(self._unconstrained, rng)
            reason = self._violation(arch)
            if reason is None:
                return arch
            broken[reason.split(" (got ")[0]] += 1
        often = "; ".join(f"{reason} ({n} times)" for reason, n in broken.most_common(3))
        raise UsageError(f"none of {MOST_TRIES} random architectures satisfied the constraints: {often}")

    def enumerate(self) -> Iterator[Architecture]:
        """Every valid architecture once, lazily."""
        diagram = self._exact or self._unconstrained
        for values in diagram.all():
            arch = self._arranged(values)
            if self._exact is not None or self._violation(arch) is None:
                yield arch

    def _draw(self, diagram: Product, rng: np.random.Generator) -> Architecture:
        values: dict[str, Value] = {}
        diagram.draw(rng, values)
        return self._arranged(values)

    def _arranged(self, values: Mapping[str, Value]) -> Architecture:
        return Architecture({name: values[name] for name in self.decisions if name in values})

    # --- moving about
    def complete(self, wish: Mapping[str, Value], rng: np.random.Generator) -> Architecture:
        """A valid architecture that takes from `wish` every value that is active and allowed, the rest at
        random.

        The rest is uniform decision by decision. If constraints reject 100 completions, falls back to
        `sample`.
        """
        for _ in range(MOST_REPAIRS):
            values = self._completed(wish, rng)
            if self._violation(values) is None:
                return self._arranged(values)
        return self.sample(rng)

    def _completed(self, wish: Mapping[str, Value], rng: np.random.Generator) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name in self._order:
            if not active(self.conditions[name], values):
                continue
            decision = self.decisions[name]
            if name in wish and decision.wrong(wish[name]) is None:
                values[name] = wish[name]
            else:
                values[name] = _pick(decision, rng)
        return values

    def mutate(self, arch: Architecture, rng: np.random.Generator, *, n: int = 1) -> Architecture:
        """`arch` with `n` of its decisions changed; decisions this switches on are drawn at random.

        Only decisions with more than one value are picked. An ordered decision may jump to any other option;
        a k-of-n decision exchanges one member. If constraints reject 100 such changes, falls back to
        `sample`. Raises `UsageError` for an architecture of another space.
        """
        self.refuse_foreign(arch)
        open_ = [d for d in (self.decisions[name] for name in arch) if d.count() > 1]
        if not open_:
            return arch
        for _ in range(MOST_REPAIRS):
            values = self._completed(self._changed(arch, open_, rng, n), rng)
            if self._violation(values) is None:
                return self._arranged(values)
        return self.sample(rng)

    @staticmethod
    def _changed(
        arch: Architecture, open_: Sequence[Decision], rng: np.random.Generator, n: int
    ) -> dict[str, Value]:
        wish = dict(arch)
        for i in rng.choice(len(open_), size=min(n, len(open_)), replace=False):
            decision = open_[int(i)]
            others = decision.changes(arch[decision.name])
            wish[decision.name] = others[int(rng.integers(len(others)))]
        return wish

    def crossover(
        self, a: Architecture, b: Architecture, rng: np.random.Generator, *, kind: Crossover = "uniform"
    ) -> Architecture:
        """A child of `a` and `b`.

        `uniform` takes each decision from either; `single-point` all before a random point from `a` and the
        rest from `b`; `cell` each group of decisions with the same first name part, such as `normal/…`, from
        one of them. Raises `UsageError` for an unknown kind and for architectures of another space.
        """
        self.refuse_foreign(a)
        self.refuse_foreign(b)
        names = [name for name in self.decisions if name in a or name in b]
        if kind == "single-point":
            point = int(rng.integers(1, max(len(names), 2)))
            from_a = {name: i < point for i, name in enumerate(names)}
        elif kind == "cell":
            coin = {group: bool(rng.integers(2)) for group in dict.fromkeys(map(_group, names))}
            from_a = {name: coin[_group(name)] for name in names}
        elif kind == "uniform":
            from_a = {name: bool(rng.integers(2)) for name in names}
        else:
            raise UsageError(f"unknown crossover {kind!r}: known are uniform, single-point, cell")
        first = {name: (a if from_a[name] else b) for name in names}
        wish = {name: (first[name] if name in first[name] else a if name in a else b)[name] for name in names}
        return self.complete(wish, rng)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every valid architecture reached by moving one decision one step (see `Decision.near`), lazily.

        Decisions that the move switches on take each of their values in turn, so being neighbours is mutual.
        Raises `UsageError` for an architecture of another space.
        """
        self._refuse(arch)
        for name, value in arch.items():
            for other in self.decisions[name].near(value):
                yield from map(self._arranged, self._fill({}, {**arch, name: other}, 0))

    def _fill(
        self, values: dict[str, Value], wish: Mapping[str, Value], at: int
    ) -> Iterator[dict[str, Value]]:
        for i in range(at, len(self._order)):
            name = self._order[i]
            if not active(self.conditions[name], values):
                continue
            if name not in wish:
                for value in self.decisions[name].values():
                    yield from self._fill({**values, name: value}, wish, i + 1)
                return
            values = {**values, name: wish[name]}
        if self._violation(values) is None:
            yield values

    # --- checking
    def validate(self, values: Mapping[str, Value]) -> Architecture:
        """`values` as an architecture; raises `UsageError` naming the decision and its allowed values."""
        self._refuse(values)
        return self._arranged({name: self.decisions[name].as_listed(v) for name, v in values.items()})

    def _refuse(self, values: Mapping[str, Value]) -> None:
        reason = self.why_not(values)
        if reason is not None:
            raise UsageError(reason)

    def refuse_foreign(self, values: Mapping[str, Value]) -> None:
        """Raise `UsageError` for what decides something that this space does not; quicker than `validate`."""
        if not isinstance(values, Mapping) or not values.keys() <= self.decisions.keys():
            self._refuse(values)

    def why_not(self, values: Mapping[str, Value]) -> str | None:
        """Why `values` are no architecture of this space, or None if they are one."""
        if not isinstance(values, Mapping):
            return no_mapping(values)
        for name in map(str, values):
            if name not in self.decisions:
                return f"unknown decision {name!r}: {did_you_mean(name, self.decisions)}"
        for name in self._order:
            decision, on = self.decisions[name], active(self.conditions[name], values)
            if on and name not in values:
                return f"decision {name!r} is missing; allowed: {', '.join(map(str, decision.options))}"
            if not on and name in values:
                return f"decision {name!r} is given but switched off: it needs {spell(self.conditions[name])}"
            if on and (wrong := decision.wrong(values[name])):
                return wrong
        return self._violation(values)

    def __contains__(self, values: Mapping[str, Value]) -> bool:
        return self.why_not(values) is None

    def _violation(self, values: Mapping[str, Value]) -> str | None:
        return next(filter(None, (c.violation(values) for c in self.constraints)), None)

    # --- other views
    @cached_property
    def named_cells(self) -> dict[str, NamedCell]:
        """The cells that the names of decisions tell, see `CellGraph`."""
        return named_cells(self.decisions)

    def restrict(self, options: Mapping[str, Collection[Option]]) -> "SearchSpace":
        """The same space with fewer options for the named decisions."""
        for name in options:
            if name not in self.decisions:
                raise UsageError(f"unknown decision {name!r}: {did_you_mean(name, self.decisions)}")
            if isinstance(options[name], str) or not isinstance(options[name], Collection):
                raise UsageError(f"give decision {name!r} a list of options to keep, got {options[name]!r}")
        kept = [
            Decision(
                d.name,
                tuple(o for o in d.options if o in options.get(d.name, d.options)),
                d.k,
                d.ordered,
                d.many,
            )
            for d in self.decisions.values()
        ]
        return SearchSpace(kept, self.conditions, self.constraints, graphs=self.graphs)

    @cached_property
    def layout(self) -> Layout:
        """What the cells of this space can be, see `graph_arrays`."""
        return layout(self)

    def encode(self, archs: Architecture | Sequence[Architecture], kind: str = "onehot") -> np.ndarray:
        """As numbers, float32: a vector for one architecture, n × features for a sequence of n.

        The kinds are onehot, continuous, adjacency, path and graph-features; see the module `encodings`.
        Raises `UsageError` for an unknown kind, for an encoding of graphs where the space has no cells, and
        for architectures of another space.
        """
        if isinstance(archs, Mapping):
            vector: np.ndarray = encodings.encode(self, [archs], kind)[0]
            return vector
        return encodings.encode(self, archs, kind)

    def encoding_names(self, kind: str = "onehot") -> tuple[str, ...]:
        """What each position of `encode` says, such as `normal/2<-0=skip_connect`."""
        return encodings.names(self, kind)

    def canonical(self, arch: Architecture, form: str | None = None) -> str:
        """A text that architectures share whose cells compute the same function and which otherwise decide
        the same.

        `form` "graph" compares cells as graphs of operations, "written" as NAS-Bench-201 counts them; by
        default each cell as its benchmark counts (see the module `canonical`). Raises `UsageError` for an
        unknown form and for an architecture of another space.
        """
        self._refuse(arch)
        return canonical.key(arch, cell_graphs(arch, self), form)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, to be stored beside a run and compared when it is resumed.

        Of constraints the reasons.
        """
        return {
            "decisions": [[d.name, list(d.options), d.k, d.ordered, d.many] for d in self.decisions.values()],
            "conditions": {n: _plain(c) for n, c in self.conditions.items() if c != ALWAYS},
            "constraints": list(map(_reason, self.constraints)),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SearchSpace":
        """The space that `to_dict` stored, without its constraints, which are code."""
        decisions = [Decision(name, tuple(options), *rest) for name, options, *rest in values["decisions"]]
        conditions = {
            name: frozenset(frozenset(When(d, frozenset(o)) for d, o in c) for c in condition)
            for name, condition in values["conditions"].items()
        }
        return cls(decisions, conditions)


def _pick(decision: Decision, rng: np.random.Generator) -> Value:
    if not decision.many:
        return decision.options[int(rng.integers(len(decision.options)))]
    chosen = sorted(rng.choice(len(decision.options), size=decision.k, replace=False).tolist())
    return tuple(decision.options[i] for i in chosen)


def _reason(constraint: Constraint) -> str:
    return str(getattr(constraint, "reason", type(constraint).__name__))


def _group(name: str) -> str:
    return name.split("/")[0]


def _plain(condition: Condition) -> list[Any]:
    """A condition as sorted lists, the same in every process."""
    return sorted(sorted([w.decision, sorted(w.options, key=str)] for w in c) for c in condition)


def no_mapping(values: object) -> str:
    """Why something that is no mapping is no architecture."""
    return f"an architecture maps the names of decisions to values, got {reprlib.repr(values)}"


def spell(condition: Condition) -> str:
    """A condition in words, the same in every process."""
    parts = sorted(
        " and ".join(sorted(f"{w.decision} in {{{', '.join(sorted(map(str, w.options)))}}}" for w in c))
        for c in condition
    )
    return " or ".join(parts)
