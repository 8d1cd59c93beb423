import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies import local_search
from nasturtium.strategies.local_search import LocalSearch

SPACE = SearchSpace([Decision(name, tuple(range(9)), ordered=True) for name in "xy"])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))


def distance(arch: Architecture) -> float:
    """From (6, 2), the same for no two architectures."""
    x, y = arch["x"], arch["y"]
    return abs(x - 6) + 2.37 * abs(y - 2) + 0.013 * x + 0.0017 * y


def valleys(arch: Architecture) -> float:
    """Has many places that are better than all their neighbours."""
    return hash(arch) % 9973 / 9973


def told(strategy: LocalSearch, batch: list[Proposal], first: int, loss=distance, status="ok") -> None:
    """In the opposite order."""
    trials = [
        Trial(first + i, p, status, (loss(p.arch),) if status == "ok" else ()) for i, p in enumerate(batch)
    ]
    strategy.tell(trials[::-1])


def neighborhoods(strategy: LocalSearch, loss=distance) -> list[list[Architecture]]:
    """What is asked for between two waits, until the search is finished."""
    asked, number = [], 0
    while batch := strategy.ask(100):
        assert strategy.ask(1) == []  # waits
        told(strategy, batch, number, loss)
        number += len(batch)
        asked.append([p.arch for p in batch])
    return asked


@pytest.mark.parametrize("loss", [distance, valleys])
@pytest.mark.parametrize("initial", [1, 3])
def test_it_moves_to_the_best_neighbor_until_none_is_better_and_starts_again(loss, initial):
    """Step by step against the definition; what is known of a neighbour counts, and is not asked again."""
    here, seen, climbs, restarts = None, set(), 0, 0
    for batch in neighborhoods(LocalSearch(PROBLEM, initial=initial), loss):
        if here is None:
            assert len(batch) <= initial
            assert not seen & set(batch)
            here, restarts = min(batch, key=loss), restarts + 1
        else:
            assert set(batch) == set(SPACE.neighbors(here)) - seen
        seen |= set(batch)
        while here is not None:
            near = set(SPACE.neighbors(here))
            if near - seen:
                break
            best = min(near, key=loss)
            here, climbs = (best, climbs + 1) if loss(best) < loss(here) else (None, climbs)
    assert climbs > 2
    assert restarts > 2


def test_no_architecture_comes_twice_and_all_of_a_small_space_does():
    asked = [arch for around in neighborhoods(LocalSearch(PROBLEM)) for arch in around]
    assert len(asked) == len(set(asked))
    assert len(asked) > 0.9 * SPACE.size()


def test_a_neighborhood_may_be_asked_for_in_parts():
    whole, parts = LocalSearch(PROBLEM, seed=1), LocalSearch(PROBLEM, seed=1)
    assert whole.ask(10) == [p for n in (1, 6, 9) for p in parts.ask(n)]


def test_failures_are_never_better_and_limits_come_before_losses():
    strategy = LocalSearch(PROBLEM, initial=4)
    starts = strategy.ask(4)
    strategy.tell(
        [
            Trial(0, starts[0], "infeasible", violation=0.1),
            Trial(1, starts[1], "failed"),
            Trial(2, starts[2], "ok", (5.0,)),
            Trial(3, starts[3], "infeasible", violation=0.2),
        ]
    )
    around = strategy.ask(100)
    assert {p.arch for p in around} <= set(SPACE.neighbors(starts[2].arch))
    told(strategy, around, 4, status="failed")
    assert len(strategy.ask(100)) == 4  # new starts


def test_of_too_many_neighbors_some_are_drawn(monkeypatch):
    monkeypatch.setattr(local_search, "MOST", 3)
    space = SearchSpace([Decision("d", tuple(range(90)))])
    strategy = LocalSearch(Problem(space, PROBLEM.objectives, PROBLEM.fidelities))
    told(strategy, strategy.ask(10), 0, lambda arch: arch["d"])
    assert 1 <= len(strategy.ask(100)) <= 3


def test_nothing_to_start_from_is_refused():
    with pytest.raises(UsageError, match="at least 1 random architecture, not 0"):
        LocalSearch(PROBLEM, initial=0)
