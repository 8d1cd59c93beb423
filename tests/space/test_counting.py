from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from scipy.stats import chisquare
from space_examples import brute_force, condition, conditional, darts_like, draws, spaces, when

from nasturtium.core.errors import UsageError
from nasturtium.space import counting, search_space
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


@given(spaces())
def test_size_and_enumeration_equal_brute_force(space):
    expected = brute_force(space)
    assume(expected)
    assert space.size() == len(expected)
    found = list(space.enumerate())
    assert len(found) == len(expected)
    assert set(found) == expected
    assert all(arch in space for arch in draws(space, 5))


def test_darts_has_its_exact_size_with_conditions():
    # a cell: the product over nodes of (pairs of inputs) · 7²
    assert darts_like().size() == 1_037_664_180**2


def test_a_decision_that_is_never_active_does_not_count():
    space = SearchSpace(
        [Decision("a", (1, 2)), Decision("never", (1, 2, 3)), Decision("below", (1, 2))],
        {"never": frozenset(), "below": condition([when("never", 1)])},
    )
    assert space.size() == 2
    assert set(space.enumerate()) == {Architecture({"a": 1}), Architecture({"a": 2})}


def uniform(space: SearchSpace, seed: int) -> float:
    """The p-value of a chi-square test that each architecture is as likely."""
    every = list(space.enumerate())
    seen = Counter(draws(space, 400 * len(every), seed))
    return float(chisquare([seen[arch] for arch in every]).pvalue)


def test_samples_are_uniform_over_architectures():
    assert conditional().size() == 10
    assert conditional().has_at_most(10)
    assert not conditional().has_at_most(9)
    assert uniform(conditional(), 1) > 0.01


def test_samples_are_uniform_with_a_constraint():
    base = conditional()
    rule = Rule("5×5 has no bias", frozenset(["conv/kernel", "conv/bias"]), lambda v: v != WIDE_WITH_BIAS)
    space = SearchSpace(list(base.decisions.values()), base.conditions, [rule])
    assert space.size() == 9
    assert uniform(space, 2) > 0.01


WIDE_WITH_BIAS = {"conv/kernel": 5, "conv/bias": "yes"}


def test_rejection_takes_over_where_constraints_are_entangled(monkeypatch):
    names = [f"d{i}" for i in range(4)]
    rule = Rule("sum divisible by 3", frozenset(names), lambda v: sum(v.values()) % 3 == 0)
    decisions = [Decision(name, (0, 1, 2)) for name in names]
    exact = SearchSpace(decisions, constraints=[rule])
    every = list(exact.enumerate())
    assert exact.size() == len(every) == 27

    monkeypatch.setattr(counting, "MOST_NODES", 5)
    space = SearchSpace(decisions, constraints=[rule])
    with pytest.raises(UsageError, match="too many decisions"):
        space.size()
    assert not space.has_at_most(10**9)
    assert set(space.enumerate()) == set(every)
    seen = Counter(draws(space, 100 * 27, 3))
    assert chisquare([seen[arch] for arch in every]).pvalue > 0.01


def test_rejection_gives_up_with_the_reason(monkeypatch):
    monkeypatch.setattr(counting, "MOST_NODES", 5)
    monkeypatch.setattr(search_space, "MOST_TRIES", 50)
    names = [f"d{i}" for i in range(4)]
    rule = Rule("all ones", frozenset(names), lambda v: False)
    space = SearchSpace([Decision(name, (0, 1, 2)) for name in names], constraints=[rule])
    with pytest.raises(UsageError, match=r"none of 50 .*: all ones \(50 times\)"):
        space.sample(np.random.default_rng(0))


@pytest.mark.parametrize("question", ["size", "sample", "enumerate"])
def test_contradictory_constraints_are_named(question):
    rules = [
        Rule("a below b", frozenset("ab"), lambda v: v["a"] < v["b"]),
        Rule("b below a", frozenset("ab"), lambda v: v["b"] < v["a"]),
    ]
    space = SearchSpace([Decision(n, (1, 2, 3)) for n in "abc"], constraints=rules)
    ask = {
        "size": space.size,
        "sample": lambda: space.sample(np.random.default_rng(0)),
        "enumerate": lambda: next(space.enumerate()),
    }[question]
    with pytest.raises(UsageError, match=r"no architecture .*: a below b; b below a$"):
        ask()


@pytest.mark.parametrize("n", [1, 2, 3, 2**63 - 1, 2**63, 2**63 + 1, 2**64, 10**30])
def test_below_stays_below_and_fills_the_range(n):
    rng = np.random.default_rng(0)
    tickets = [counting.below(rng, n) for _ in range(200)]
    assert all(0 <= ticket < n for ticket in tickets)
    quarters = set(range(n)) if n < 4 else {0, 1, 2, 3}
    assert {ticket if n < 4 else ticket * 4 // n for ticket in tickets} == quarters
