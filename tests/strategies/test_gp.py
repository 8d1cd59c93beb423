import importlib.util

import moocore
import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import make_space
from nasturtium.strategies.gp import GaussianProcessSearch
from nasturtium.strategies.random import RandomSearch

SPACE = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(6)])


def problem(*metrics: str) -> Problem:
    return Problem(SPACE, tuple(Objective(metric, "min") for metric in metrics), (Fidelity(1),))


def test_without_botorch_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'nasturtium\[botorch\]'"):
        GaussianProcessSearch(problem("loss"))


@pytest.mark.parametrize("options", [{"initial": 1}, {"candidates": 4}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="gp takes"):
        GaussianProcessSearch(problem("loss"), **options)


def test_a_space_without_end_is_refused():
    space = make_space("network-morphism", (1, 8, 8), 3, {}).space
    with pytest.raises(UsageError, match="no list of them"):
        GaussianProcessSearch(Problem(space, problem("loss").objectives, (Fidelity(1),)))


def hypervolume(strategy, trials=50):
    """Of what is found on two sums of random tables, which share no optimum."""
    rng = np.random.default_rng(strategy.seed)
    tables = [{n: dict(zip("abcd", rng.random(4), strict=True)) for n in SPACE.decisions} for _ in range(2)]
    found = []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        losses = tuple(sum(table[n][v] for n, v in proposal.arch.items()) for table in tables)
        found.append(losses)
        strategy.tell([Trial(number, proposal, "ok", losses)])
    return moocore.hypervolume(np.array(found), ref=np.array([6.0, 6.0]))


def test_it_finds_a_better_front_than_random_search():
    gains = [
        hypervolume(GaussianProcessSearch(problem("a", "b"), seed=seed))
        - hypervolume(RandomSearch(problem("a", "b"), seed=seed))
        for seed in range(3)
    ]
    assert min(gains) > 0
