from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.nasbench201 import nasbench201
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.random import RandomSearch


def problem(*sizes: int) -> Problem:
    decisions = [Decision(f"d{i}", tuple(range(size))) for i, size in enumerate(sizes)]
    return Problem(SearchSpace(decisions), (Objective("accuracy", "max"),), (Fidelity(1),))


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
    batches=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_every_architecture_comes_once_and_then_none(sizes, seed, batches):
    task = problem(*sizes)
    strategy = RandomSearch(task, seed=seed)
    proposals = [p for n in batches for p in strategy.ask(n)]
    proposals += strategy.ask(300)
    everything = set(task.space.enumerate())
    assert {p.arch for p in proposals} == everything
    assert len(proposals) == len(everything)
    assert strategy.ask(1) == []


def test_the_batch_size_does_not_change_the_order():
    one, many = (RandomSearch(problem(5, 5), seed=3) for _ in range(2))
    assert [p for _ in range(25) for p in one.ask(1)] == many.ask(25)
    assert RandomSearch(problem(5, 5), seed=4).ask(25) != RandomSearch(problem(5, 5), seed=3).ask(25)


@pytest.mark.parametrize("tries", [0, 1, 100])
def test_last_architectures_are_uniform_too(monkeypatch, tries):
    """Which of 3 architectures is left over must not depend on the order in which the space lists them."""
    monkeypatch.setattr("nasturtium.strategies.unseen.TRIES", tries)
    last = Counter(RandomSearch(problem(3), seed=seed).ask(3)[-1].arch["d0"] for seed in range(600))
    assert all(abs(count - 200) < 5 * (600 * 2 / 9) ** 0.5 for count in last.values()), last


def test_with_replacement_it_never_ends():
    strategy = RandomSearch(problem(2), seed=0, replace=True)
    counts = Counter(p.arch["d0"] for p in strategy.ask(1000))
    assert sum(counts.values()) == 1000
    assert all(abs(count - 500) < 5 * 250**0.5 for count in counts.values())


def test_it_is_found_by_name():
    assert STRATEGIES.get("random") is RandomSearch
    with pytest.raises(ValueError, match="did you mean 'random'"):
        STRATEGIES.get("randm")


def test_up_to_isomorphism_each_function_comes_once():
    whole = nasbench201((3, 8, 8), 10).space
    space = whole.restrict(dict.fromkeys(whole.decisions, ("none", "nor_conv_1x1", "skip_connect")))
    task = Problem(space, (Objective("accuracy", "max"),), (Fidelity(1),))
    asked = RandomSearch(task, up_to_isomorphism=True).ask(1000)
    forms = {space.canonical(arch) for arch in space.enumerate()}
    assert len(forms) < space.size() == 3**6
    assert len(asked) == len(forms)
    assert {space.canonical(p.arch) for p in asked} == forms
    with pytest.raises(UsageError, match="leave one out"):
        RandomSearch(task, replace=True, up_to_isomorphism=True)
