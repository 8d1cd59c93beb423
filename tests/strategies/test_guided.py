import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.structure import Block, Structure
from nasturtium.strategies.guided import Guided, first, log_scaled, targets
from nasturtium.tables.nasbench201 import SPACE as CELLS
from strategies.guided_parts import PROBLEM, SPACE, loss, tell, with_oracle

NOTHING = Proposal(Architecture({}))


class Greedy(Guided):
    """Takes the best neighbours of the best."""

    def __init__(self, problem: Problem = PROBLEM, *, initial: int = 6, batch: int = 3, **options) -> None:
        options = {"predictor": "forest", "encoding": "onehot", **options}
        super().__init__(problem, seed=0, initial=initial, batch=batch, **options)

    def choose(self):
        near = [arch for best in self.best(2) for arch in self.problem.space.neighbors(best)]
        return first(near, self.predict(near)[0], self._batch)


def test_targets_by_hand():
    trials = [
        Trial(0, NOTHING, "ok", (3.0,)),
        Trial(1, NOTHING, "infeasible", violation=0.5),
        Trial(2, NOTHING, "failed"),
        Trial(3, NOTHING, "ok", (7.0,)),
        Trial(4, NOTHING, "infeasible", violation=9.0),
        Trial(5, NOTHING, "failed"),
        Trial(6, NOTHING, "infeasible", violation=0.5),
        Trial(7, NOTHING, "infeasible", violation=0.1),
    ]
    np.testing.assert_allclose(targets(trials), [3, 9, 11, 7, 10, 11, 9, 8])
    np.testing.assert_allclose(targets(trials[4:]), [0.75, 1, 0.5, 0.25])
    np.testing.assert_allclose(targets(trials[:1] + trials[2:3]), [3, 4])  # without extent: one more


def test_logarithms_by_hand():
    losses = np.arange(21.0)  # the 5th percentile is 1, so the bound is −1
    np.testing.assert_allclose(log_scaled(losses), np.log((losses + 1) / 21))
    np.testing.assert_allclose(log_scaled(-5 + 3 * losses), log_scaled(losses))  # in any unit
    equals = np.array([0.0] * 10 + [10.0])
    np.testing.assert_allclose(log_scaled(equals), [np.log(0.01 / 10.01)] * 10 + [0])
    np.testing.assert_array_equal(log_scaled(np.array([4.0, 4.0])), [0, 0])


def test_it_learns_once_for_each_batch_and_only_if_there_is_something_new():
    strategy = Greedy()
    oracle = with_oracle(strategy)
    asked = strategy.ask(6)
    tell(strategy, asked[:5])
    assert oracle.fits == 0
    asked += strategy.ask(2)  # six results are not in yet, so these are random
    assert oracle.fits == 0
    tell(strategy, asked[5:], 5)
    batch = [strategy.ask(1)[0] for _ in range(3)]
    assert oracle.fits == 1
    best = sorted((p.arch for p in asked), key=loss)[:2]
    near = {arch for one in best for arch in SPACE.neighbors(one)} - {p.arch for p in asked}
    assert [p.arch for p in batch] == sorted(near, key=loss)[:3]
    strategy.ask(3)  # nothing was told
    assert oracle.fits == 1
    tell(strategy, batch, 8)
    strategy.ask(1)
    assert oracle.fits == 2


def test_nothing_comes_twice_although_results_are_late_and_everything_comes_once():
    strategy = Greedy()
    with_oracle(strategy)
    rng, running, seen = np.random.default_rng(0), [], []
    while running or len(seen) < SPACE.size():
        asked = strategy.ask(4)
        seen += [p.arch for p in asked]
        running += asked
        if not running:
            break
        tell(strategy, [running.pop(int(rng.integers(len(running)))) for _ in range(min(3, len(running)))])
    assert len(seen) == len(set(seen))
    assert len(seen) > 0.99 * SPACE.size()
    assert strategy.ask(5) == []


def test_the_best_are_within_limits_and_have_not_failed():
    strategy = Greedy()
    archs = [p.arch for p in strategy.ask(5)]
    known = [("infeasible", (), 0.2), ("failed", (), 0.0), ("ok", (5.0,), 0.0), ("ok", (4.0,), 0.0)]
    strategy.tell(
        [
            Trial(i, Proposal(arch), status, losses, violation=violation)
            for i, (arch, (status, losses, violation)) in enumerate(zip(archs, known, strict=False))
        ]
    )
    assert strategy.best(9) == [archs[3], archs[2], archs[0]]


def test_cells_are_encoded_by_their_paths_and_other_spaces_by_their_decisions():
    cells = Problem(CELLS, PROBLEM.objectives, PROBLEM.fidelities)
    assert Greedy(cells, encoding=None).encode([]).shape[1] == len(CELLS.encoding_names("path"))
    assert Greedy(encoding=None).encode([]).shape[1] == len(SPACE.encoding_names("continuous"))


def test_what_a_predictor_cannot_do_is_refused():
    several = Problem(SPACE, (Objective("a", "min"), Objective("b", "min")), (Fidelity(1),))
    endless = GrowingSpace(Architecture(Structure(((Block(4),),)).values()), steps=3)
    with pytest.raises(UsageError, match="one objective, or use nsga2"):
        Greedy(several)
    with pytest.raises(UsageError, match="unknown predictor 'florest': did you mean 'forest'"):
        Greedy(predictor="florest")
    with pytest.raises(UsageError, match="unknown encoding 'onehut'"):
        Greedy(encoding="onehut")
    with pytest.raises(UsageError, match="2 or more random results"):
        Greedy(initial=1)
    with pytest.raises(UsageError, match="batches of 1 or more"):
        Greedy(batch=0)
    with pytest.raises(UsageError, match="a space without end has not; use evolution"):
        Greedy(Problem(endless, PROBLEM.objectives, PROBLEM.fidelities))
