import moocore
import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.moead import MOEAD, weightings

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(10)), ordered=True) for i in range(6)])
TWO = Problem(SPACE, (Objective("a", "min"), Objective("b", "min")), (Fidelity(1),))


def test_weights_are_a_grid_over_the_objectives():
    assert weightings(2, 5)[:, 0].tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=1e-5)
    rows = weightings(3, 14)  # 10 rows of thirds; quarters would be 15
    assert len(rows) == 10
    assert rows.sum(axis=1).tolist() == pytest.approx([1] * 10, abs=1e-5)
    assert {tuple(np.round(3 * row).astype(int).tolist()) for row in rows} == {
        (i, j, 3 - i - j) for i in range(4) for j in range(4 - i)
    }
    assert weightings(1, 4).tolist() == [[1.0]] * 4


def told(strategy: MOEAD, losses, status="ok", violation=0.0) -> Trial:
    (proposal,) = strategy.ask(1)
    trial = Trial(
        strategy._count - 1, proposal, status, losses if status == "ok" else (), violation=violation
    )
    strategy.tell([trial])
    return trial


def test_a_result_replaces_what_is_worse_around_its_weighting():
    """Weightings of b alone, of both, of a alone; each of the first two shares with the other."""
    strategy = MOEAD(TWO, population=3, near=2)
    zero = told(strategy, (0.0, 1.0))
    assert strategy._best == [zero, zero, None]
    one = told(strategy, (0.5, 1.0))  # nowhere better
    two = told(strategy, (1.0, 0.0))  # for both as far as the first
    assert strategy._best == [zero, zero, two]
    three = told(strategy, (0.3, 0.3))  # max(0.3, 0.3) / 2 against 1 / 2
    assert strategy._best == [three, three, two]
    four = told(strategy, (0.5, 0.05))  # b now extends to 0.3: max(0.5, 0.05 / 0.3) against max(0.3, 1)
    assert strategy._best == [four, four, two]
    assert one not in strategy._best


def test_limits_come_before_losses_and_failures_change_nothing():
    strategy = MOEAD(TWO, population=2, near=2)
    over = told(strategy, (), "infeasible", 0.5)
    told(strategy, (), "failed")
    assert strategy._best == [over, over]
    less = told(strategy, (), "infeasible", 0.2)
    assert strategy._best == [less, less]
    fine = told(strategy, (9.0, 9.0))
    told(strategy, (), "infeasible", 0.1)
    assert strategy._best == [fine, fine]


def hypervolume(name: str, seed: int) -> float:
    """What 200 trials dominate where both losses are sums of random numbers, one per decision and option."""
    tables = np.random.default_rng(seed).random((2, len(SPACE.decisions), 10))
    strategy, found = STRATEGIES.get(name)(TWO, seed=seed), []
    for number in range(200):
        (proposal,) = strategy.ask(1)
        picks = np.array(list(proposal.arch.values()), int)
        found.append(tuple(tables[:, np.arange(len(picks)), picks].sum(axis=1).tolist()))
        strategy.tell([Trial(number, proposal, "ok", found[-1])])
    return float(moocore.hypervolume(np.array(found), ref=[5.0, 5.0]))


def test_it_finds_a_larger_front_than_random_search():
    gain = np.array([hypervolume("moead", seed) / hypervolume("random", seed) - 1 for seed in range(6)])
    assert gain.mean() > 3 * gain.std(ddof=1) / 6**0.5


@pytest.mark.parametrize("options", [{"population": 1, "near": 1}, {"near": 1}, {"near": 6, "population": 5}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="moead"):
        MOEAD(TWO, **options)
