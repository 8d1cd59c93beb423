"""Small spaces, and what they hold by brute force: every assignment is tried against the definition."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


def when(name: str, *options: Any) -> When:
    return When(name, frozenset(options))


def condition(*conjunctions: list[When]) -> frozenset[frozenset[When]]:
    return frozenset(map(frozenset, conjunctions))


def brute_force(space: SearchSpace) -> set[Architecture]:
    """Every subset of decisions with every value, kept if exactly the active decisions are in it."""
    found = set()
    choices = [[None, *d.values()] for d in space.decisions.values()]
    for values in itertools.product(*choices):
        arch = {n: v for n, v in zip(space.decisions, values, strict=True) if v is not None}
        if all((n in arch) == _active(space, n, arch) for n in space.decisions) and all(
            c.violation(arch) is None for c in space.constraints
        ):
            found.add(Architecture(arch))
    return found


def _active(space: SearchSpace, name: str, arch: dict[str, Any]) -> bool:
    def true(w: When) -> bool:
        value = arch.get(w.decision)
        return value is not None and bool(set(value if isinstance(value, tuple) else [value]) & w.options)

    return any(all(map(true, conjunction)) for conjunction in space.conditions[name])


def parity(names: list[str], rest: int) -> Rule:

    def holds(values: Any) -> bool:
        return sum(len(str(v)) + ord(str(v)[-1]) for v in values.values()) % 3 != rest

    return Rule(f"sum not {rest}", frozenset(names), holds)


@st.composite
def spaces(draw: Any, *, constrained: bool = True) -> SearchSpace:
    """Up to 5 decisions, some k of n, under random ORs of ANDs about earlier ones, with up to 2 rules."""
    decisions: list[Decision] = []
    conditions = {}
    for i in range(draw(st.integers(1, 5))):
        n = draw(st.integers(1, 3))
        many = draw(st.booleans()) and draw(st.booleans())
        k = draw(st.integers(1, n)) if many else 1
        if decisions and draw(st.booleans()):
            conditions[f"d{i}"] = frozenset(
                frozenset(draw(st.lists(literals(decisions), min_size=1, max_size=2)))
                for _ in range(draw(st.integers(1, 2)))
            )
        decisions.append(Decision(f"d{i}", tuple("abc"[:n]), k=k, many=many, ordered=draw(st.booleans())))
    rules = []
    for _ in range(draw(st.integers(0, 2)) if constrained else 0):
        names = draw(st.lists(st.sampled_from([d.name for d in decisions]), min_size=1, max_size=3))
        rules.append(parity(names, draw(st.integers(0, 2))))
    return SearchSpace(draw(st.permutations(decisions)), conditions, rules)


def literals(decisions: list[Decision]) -> Any:
    return st.sampled_from(decisions).flatmap(
        lambda d: st.sets(st.sampled_from(d.options), min_size=1).map(lambda o: When(d.name, frozenset(o)))
    )


def conditional() -> SearchSpace:
    """1 + 3·2 + 3 = 10 architectures: uniform decisions would draw the first a third of the time."""
    return SearchSpace(
        [
            Decision("kind", ("none", "conv", "pool")),
            Decision("conv/kernel", (1, 3, 5), ordered=True),
            Decision("conv/bias", ("yes", "no")),
            Decision("pool/inputs", (0, 1, 2), k=2),
        ],
        {
            "conv/kernel": condition([when("kind", "conv")]),
            "conv/bias": condition([when("kind", "conv")]),
            "pool/inputs": condition([when("kind", "pool")]),
        },
    )


def darts_like() -> SearchSpace:
    """Two cells of four nodes with two inputs each and seven operations an edge."""
    decisions, conditions = [], {}
    for cell in ("normal", "reduce"):
        for node in range(2, 6):
            inputs = f"{cell}/{node}/inputs"
            decisions.append(Decision(inputs, tuple(range(node)), k=2))
            for source in range(node):
                name = f"{cell}/{node}<-{source}"
                decisions.append(Decision(name, tuple("abcdefg")))
                conditions[name] = condition([when(inputs, source)])
    return SearchSpace(decisions, conditions)


def draws(space: SearchSpace, number: int, seed: int = 0) -> Iterator[Architecture]:
    rng = np.random.default_rng(seed)
    return (space.sample(rng) for _ in range(number))
