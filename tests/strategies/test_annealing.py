import math

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.annealing import Annealing

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(50))) for i in range(6)])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))


def started(losses=(0.0, 2.0), seed=0, **options) -> Annealing:
    """After its random architectures, of these losses."""
    strategy = Annealing(PROBLEM, seed=seed, initial=len(losses), **options)
    asked = strategy.ask(len(losses))
    strategy.tell([Trial(i, p, "ok", (loss,)) for i, (p, loss) in enumerate(zip(asked, losses, strict=True))])
    return strategy


def moves(strategy: Annealing, loss: float | None, status="ok", violation=0.0) -> bool:
    """Whether it goes where the next trial is."""
    (proposal,) = strategy.ask(1)
    losses = (loss,) if status == "ok" else ()
    strategy.tell([Trial(9, proposal, status, losses, violation=violation)])
    return all(
        sum(after.arch[d] != proposal.arch[d] for d in SPACE.decisions) == 1 for after in strategy.ask(20)
    )


def test_it_cools_from_hot_to_cold_in_units_of_the_spread_at_the_start():
    strategy = started(hot=2.0, cold=0.02, steps=102)
    assert strategy.temperature == pytest.approx(2.0)  # the standard deviation of 0 and 2 is 1
    temperatures = []
    for number in range(120):
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(number, proposal, "failed")])
        temperatures.append(strategy.temperature)
    assert temperatures[49] == pytest.approx(0.2)
    assert temperatures[99:] == pytest.approx([0.02] * 21)


def test_worse_results_are_accepted_with_the_chance_of_metropolis():
    """Of 600 searches that stand at 0 with T = 1, those that move to 0.7."""
    strategies = (started(seed=seed, hot=1.0, cold=1.0) for seed in range(600))
    moved = sum(moves(strategy, 0.7) for strategy in strategies)
    chance = math.exp(-0.7)
    assert abs(moved - 600 * chance) < 4 * (600 * chance * (1 - chance)) ** 0.5


def test_no_worse_is_always_accepted_and_failures_never():
    assert moves(started(), 0.0)
    assert moves(started(), -3.0)
    assert not any(moves(started(seed=seed, hot=1e9, cold=1e9), None, "failed") for seed in range(20))


def test_it_never_leaves_the_limits_and_seeks_them_from_outside():
    hot = {"hot": 1e9, "cold": 1e9}
    assert not any(moves(started(seed=s, **hot), None, "infeasible", 0.1) for s in range(20))
    strategy = Annealing(PROBLEM, initial=1, **hot)
    strategy.tell([Trial(0, strategy.ask(1)[0], "infeasible", violation=0.5)])
    assert not moves(strategy, None, "infeasible", 0.6)
    assert moves(strategy, None, "infeasible", 0.4)
    assert moves(strategy, 100.0)


@pytest.mark.parametrize(
    "options", [{"initial": 0}, {"initial": 9, "steps": 8}, {"cold": 0.0}, {"hot": 0.001}]
)
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="annealing"):
        Annealing(PROBLEM, **options)


def test_several_objectives_are_refused():
    two = Problem(SPACE, (Objective("loss", "min"), Objective("size", "min")), (Fidelity(1),))
    with pytest.raises(UsageError, match="use nsga2 for several"):
        Annealing(two)
