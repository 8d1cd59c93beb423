import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from space_examples import brute_force, conditional, darts_like, spaces

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.discretize import discretize
from nasturtium.space.search_space import SearchSpace

OPS = "abcdefg"


def classic(weights: dict[str, np.ndarray]) -> dict[str, object]:
    """The rule of Liu et al.: per node the two inputs with the strongest real operation, each with it.

    Rows hold the zero operation in the last column.
    """
    values: dict[str, object] = {}
    for cell in ("normal", "reduce"):
        for node in range(2, 6):
            real = [weights[f"{cell}/{node}<-{j}"][:-1] for j in range(node)]
            best = sorted(range(node), key=lambda j: -max(real[j]))[:2]
            values[f"{cell}/{node}/inputs"] = tuple(sorted(best))
            for j in best:
                values[f"{cell}/{node}<-{j}"] = OPS[int(np.argmax(real[j]))]
    return values


def test_it_equals_the_classic_genotype_rule():
    space = darts_like()
    rng = np.random.default_rng(0)
    for trial in range(200):
        alpha = {n: rng.normal(scale=0.001 if trial % 2 else 2, size=8) for n in space.decisions if "<-" in n}
        weights = {name: np.exp(row) / np.exp(row).sum() for name, row in alpha.items()}
        found = discretize(space, {name: row[:-1].tolist() for name, row in weights.items()})
        assert found == Architecture(classic(weights))
        assert found in space


def test_a_row_of_its_own_counts_too():
    """Partial channels learn one number per edge, which multiplies the strongest operation behind it."""
    space = darts_like()
    rows = {name: [0.1] * 7 for name in space.decisions if "<-" in name}
    rows["normal/3<-0"] = [0.2] + [0.1] * 6
    assert discretize(space, rows)["normal/3/inputs"] == (0, 1)
    assert discretize(space, {**rows, "normal/3/inputs": [0.1, 0.4, 0.5]})["normal/3/inputs"] == (1, 2)
    assert discretize(space, {**rows, "normal/3/inputs": [0.3, 0.4, 0.5]})["normal/3/inputs"] == (0, 2)


def test_ties_go_to_the_earlier_option():
    arch = discretize(darts_like(), {})
    assert arch["reduce/5/inputs"] == (0, 1)
    assert arch["reduce/5<-1"] == "a"


@given(spaces(), st.integers(0, 2**32))
def test_with_constraints_it_finds_the_valid_one_that_gives_up_least(space, seed):
    every = brute_force(space)
    assume(every)
    rng = np.random.default_rng(seed)
    rows = {name: rng.random(len(d.options)).tolist() for name, d in space.decisions.items() if not d.many}
    one_of = {name for name, d in space.decisions.items() if not d.many}
    assume(len(one_of) == len(space.decisions))

    def given_up(arch: Architecture) -> float:
        chosen = {name: rows[name][space.decisions[name].options.index(arch[name])] for name in arch}
        return sum(math.log(max(rows[name]) / chosen[name]) for name in arch)

    best = discretize(space, rows)
    assert best in every
    assert given_up(best) == pytest.approx(min(map(given_up, every)))


@pytest.mark.parametrize(
    ("b", "expected"),
    [
        ([0.5, 0.3, 0.2], (2, 2)),  # 0.6 · 0.2 beats 0.3 · 0.3 and 0.1 · 0.5
        ([0.8, 0.15, 0.05], (0, 0)),  # 0.1 · 0.8 beats 0.3 · 0.15 and 0.6 · 0.05
        ([0.3, 0.5, 0.2], (1, 1)),
    ],
)
def test_where_a_rule_forbids_the_best_the_best_product_is_taken(b, expected):
    rule = Rule("b follows a", frozenset("ab"), lambda v: v["b"] >= v["a"])
    space = SearchSpace([Decision("a", (0, 1, 2)), Decision("b", (0, 1, 2))], constraints=[rule])
    found = discretize(space, {"a": [0.1, 0.3, 0.6], "b": b})
    assert found == Architecture(dict(zip("ab", expected, strict=True)))


def test_rows_must_fit_and_something_must_be_valid():
    with pytest.raises(UsageError, match="'kind' has 3 options but 2 probabilities"):
        discretize(conditional(), {"kind": [0.5, 0.5]})
    never = SearchSpace([Decision("a", (1, 2))], constraints=[Rule("never", frozenset("a"), lambda v: False)])
    with pytest.raises(UsageError, match=r"no architecture near .* satisfies: \['never'\]"):
        discretize(never, {})
