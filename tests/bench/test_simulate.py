from itertools import islice

import numpy as np
import pytest

from nasturtium.bench.simulate import fidelities, simulate
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


LADDER = Problem(SPACE, (MOST,), tuple(map(Fidelity, (2, 4, 8))))
CURVES = Table(
    SPACE,
    [(i,) for i in range(6)],
    {"time": np.array([8.0, 16, 24, 8, 8, 8]), "test": np.arange(6) / 10},
    {"accuracy": np.arange(6)[:, None] / 10 + np.arange(1, 9) / 100},
)


class Scripted(Strategy):
    """Gives these (architecture, epochs, parent), one for each ask."""

    def __init__(self, *script: tuple[int, int | None, int | None]) -> None:
        super().__init__(LADDER)
        self.rest, self.told = list(script), []

    def ask(self, n):
        if not self.rest:
            return []
        d, epochs, parent = self.rest.pop(0)
        arch = SPACE.validate({"d": d})
        return [Proposal(arch, None if epochs is None else Fidelity(epochs), parent)]

    def tell(self, trials):
        self.told += trials


def test_a_short_training_shows_the_signal_it_has_by_then():
    strategy = Scripted((0, 2, None), (1, 4, None), (0, 4, 0), (2, None, None), (0, None, 2))
    found = simulate(strategy, CURVES, queries=9)
    assert found.rows.tolist() == [0, 1, 0, 2, 0]
    assert found.epochs.tolist() == [2, 4, 4, 8, 8]
    seen = [t.measurement.metrics["accuracy"] for t in strategy.told]
    assert seen == pytest.approx([0.02, 0.14, 0.04, 0.28, 0.08])
    assert [len(t.measurement.curve) for t in strategy.told] == [2, 4, 4, 8, 8]
    assert strategy.told[1].measurement.curve[3] == strategy.told[1].measurement.metrics
    assert (-found.losses[:, 0]).tolist() == pytest.approx(seen)


def test_what_is_continued_costs_only_what_it_adds():
    """Rates are 1, 2 and 3 seconds an epoch; the second part of 0 is of two epochs, the third of four."""
    script = (0, 2, None), (1, 4, None), (0, 4, 0), (2, None, None), (0, None, 2)
    found = simulate(Scripted(*script), CURVES, queries=9, seconds=CURVES.column("time"))
    assert found.seconds.tolist() == [2, 10, 12, 36, 40]
    assert found.spent.tolist() == [2 / 8, 6 / 8, 1, 2, 2.5]
    untimed = simulate(Scripted(*script), CURVES, queries=9)
    assert untimed.seconds.tolist() == untimed.spent.tolist()


def test_the_budget_is_in_full_trainings():
    script = [(i % 6, 2, None) for i in range(99)]
    assert len(simulate(Scripted(*script), CURVES, queries=3).rows) == 12
    over = simulate(Scripted((0, 2, None), (1, None, None), (2, None, None), (3, 2, None)), CURVES, queries=2)
    assert over.within(2).rows.tolist() == [0, 1]
    assert over.within(2).spent.tolist() == [0.25, 1.25]
    assert over.spent.tolist() == [0.25, 1.25, 2.25]  # the last one began before two were spent


def test_a_table_with_curves_of_the_signal_has_rungs():
    assert [rung.epochs for rung in fidelities(CURVES, ["time", "accuracy"])] == [1, 3, 8]
    assert [rung.epochs for rung in fidelities(CURVES, ["time"])] == [8]
    assert [rung.epochs for rung in fidelities(TABLE, ["accuracy"])] == [1]
