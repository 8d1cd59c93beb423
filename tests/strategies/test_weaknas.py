import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space import counting
from nasturtium.space.constraints import Rule
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies import weaknas
from nasturtium.strategies.weaknas import WeakNAS
from strategies.guided_parts import PROBLEM, SPACE, loss, started, tell, with_oracle


def test_the_region_is_the_top_of_the_space():
    """Of all that are new, after a predictor that knows the truth."""
    strategy = WeakNAS(PROBLEM, batch=5, top=30)
    with_oracle(strategy)
    known = set(started(strategy, 10))
    drawn = {p.arch for p in strategy.ask(5)}
    assert strategy._region == sorted(set(SPACE.enumerate()) - known, key=loss)[:30]
    assert drawn < set(strategy._region)


def test_a_large_space_is_searched_for_its_top(monkeypatch):
    monkeypatch.setattr(weaknas, "MOST", SPACE.size() - 1)
    strategy = WeakNAS(PROBLEM, batch=5, top=30, rounds=30)
    with_oracle(strategy)
    known = set(started(strategy, 10))
    strategy.ask(5)
    assert strategy._region == sorted(set(SPACE.enumerate()) - known, key=loss)[:30]


def test_the_region_of_a_large_space_shrinks_from_batch_to_batch(monkeypatch):
    monkeypatch.setattr(weaknas, "MOST", 0)
    strategy = WeakNAS(PROBLEM, batch=5, top=30, strangers=10, mutations=1, rounds=1)
    with_oracle(strategy)
    started(strategy, 10)
    mean = []
    for number in range(10, 35, 5):
        tell(strategy, strategy.ask(5), number)
        mean.append(np.mean([loss(arch) for arch in strategy._region]))
    assert mean == sorted(mean, reverse=True)


def test_a_space_that_cannot_be_counted_is_searched(monkeypatch):
    monkeypatch.setattr(counting, "MOST_NODES", 5)
    rule = Rule("few a", frozenset(SPACE.decisions), lambda values: [*values.values()].count("a") < 3)
    space = SearchSpace(list(SPACE.decisions.values()), constraints=[rule])
    strategy = WeakNAS(Problem(space, PROBLEM.objectives, PROBLEM.fidelities), batch=5)
    with_oracle(strategy)
    started(strategy, 10)
    drawn = [p.arch for p in strategy.ask(5)]
    assert len(drawn) == 5
    assert all(space.why_not(arch) is None for arch in drawn)
    assert np.mean([loss(arch) for arch in drawn]) < np.mean([loss(arch) for arch in strategy.best(10)])


def test_draws_from_the_region_are_even():
    """The mean place of 60 draws among 50 is in the middle."""
    places = []
    for seed in range(12):
        strategy = WeakNAS(PROBLEM, seed=seed, batch=5, top=50)
        with_oracle(strategy)
        started(strategy, 10)
        places += [strategy._region.index(p.arch) for p in strategy.ask(5)]
    assert abs(np.mean(places) - 24.5) < 4 * (50**2 / 12 / 60) ** 0.5


@pytest.mark.parametrize("options", [{"top": 9}, {"strangers": 0}, {"mutations": 0}, {"rounds": 0}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match=r"weaknas has a top of batch \(10\) or more"):
        WeakNAS(PROBLEM, **options)
