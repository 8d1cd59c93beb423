from itertools import islice

import numpy as np
import pytest

from nasturtium.bench.simulate import simulate
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Proposal
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table

SPACE = SearchSpace([Decision("d", (0, 1, 2, 3, 4, 5))])
TABLE = Table(
    SPACE, [(i,) for i in range(6)], {"accuracy": np.arange(6) / 10, "time": np.array([3.0, 1, 1, 5, 1, 1])}
)
MOST = Objective("accuracy", "max")


class InOrder(Strategy):
    """Every architecture in turn; gives `batch` at a time and then waits for all of them."""

    def __init__(self, batch: int = 99, objectives: tuple[Objective, ...] = (MOST,)) -> None:
        super().__init__(Problem(SPACE, objectives, (Fidelity(1),)))
        self.rest, self.batch, self.open = SPACE.enumerate(), batch, 0
        self.asked: list[int] = []
        self.told: list[tuple[float, ...]] = []

    def ask(self, n):
        self.asked.append(n)
        left = self.batch - self.open if self.open < self.batch else 0
        found = [Proposal(arch) for arch in islice(self.rest, min(n, left))]
        self.open += len(found)
        return found

    def tell(self, trials):
        for t in trials:
            self.told.append((t.id, *t.losses, *t.measurement.metrics.values()))
        if len(self.told) % self.batch == 0:
            self.open = 0


def test_one_worker_takes_turns():
    strategy = InOrder()
    found = simulate(strategy, TABLE, queries=4)
    assert found.rows.tolist() == [0, 1, 2, 3]
    assert found.seconds.tolist() == [1, 2, 3, 4]
    assert strategy.told == [(i, -i / 10, i / 10) for i in range(4)]
    assert found.losses.tolist() == [[0], [-0.1], [-0.2], [-0.3]]
    assert found.spent.tolist() == [1, 2, 3, 4]
    assert strategy.asked == [1, 1, 1, 1]


def test_results_come_when_their_time_is_over():
    """Two workers: 0 runs until 3, 1 until 1, 2 until 2, 3 from 2 until 7; at 3 comes 4."""
    strategy = InOrder()
    found = simulate(strategy, TABLE, queries=6, workers=2, seconds=TABLE.column("time"))
    assert found.rows.tolist() == [1, 2, 0, 4, 5, 3]
    assert found.seconds.tolist() == [1, 2, 3, 4, 5, 7]
    assert [number for number, *_ in strategy.told] == [1, 2, 0, 4, 5, 3]


def test_a_strategy_that_waits_is_asked_again_after_a_result():
    found = simulate(InOrder(batch=2), TABLE, queries=6, workers=3, seconds=TABLE.column("time"))
    assert sorted(found.rows.tolist()) == [0, 1, 2, 3, 4, 5]
    assert found.seconds.tolist() == [1, 3, 4, 8, 9, 9]


def test_a_finished_strategy_ends_it_early():
    assert len(simulate(InOrder(), TABLE, queries=50).rows) == 6


def test_a_strategy_that_proposes_nothing_is_refused():
    with pytest.raises(UsageError, match="proposed nothing"):
        simulate(InOrder(batch=0), TABLE, queries=3)


def test_every_objective_is_told_in_its_direction():
    strategy = InOrder(objectives=(Objective("time", "min"), MOST))
    simulate(strategy, TABLE, queries=3)
    assert strategy.told == [(0, 3, 0, 3, 0), (1, 1, -0.1, 1, 0.1), (2, 1, -0.2, 1, 0.2)]
