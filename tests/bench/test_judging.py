import moocore
import numpy as np
import pytest

from nasturtium.bench.judging import FrontVolume, Incumbent, queries_to_top
from nasturtium.problem.objectives import Objective
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table


def table(**columns: list[float]) -> Table:
    n = len(next(iter(columns.values())))
    space = SearchSpace([Decision("d", tuple(range(n)))])
    return Table(space, [(i,) for i in range(n)], {name: np.array(c, float) for name, c in columns.items()})


UP, DOWN = Objective("up", "max"), Objective("down", "min")


def test_the_incumbent_has_the_best_signal_and_is_the_earliest_of_equals():
    made = table(up=[1, 3, 3, 2, 5], down=[9, 8, 7, 6, 5])
    judge = Incumbent(made, UP, Objective("down", "max"))
    assert judge.values(np.array([0, 3, 2, 1, 4])).tolist() == [9, 6, 7, 7, 5]
    assert (judge.best, judge.larger_is_better, judge.label) == (9, True, "down")
    judge = Incumbent(made, DOWN, DOWN)
    assert judge.values(np.array([0, 3, 2])).tolist() == [9, 6, 6]
    assert (judge.best, judge.larger_is_better) == (5, False)


def test_hypervolume_by_hand():
    """The table's front is (0, 4), (1, 1), (4, 0) as losses, with the ideal point 0 and the nadir point 4.

    Up to 1.1 nadirs, 4.4, the three dominate 0.4 · 1 + 3.4² + 1 · 0.4 of 4.4².
    """
    made = table(up=[0, -1, -4, -2, -9], down=[4, 1, 0, 2, 9])
    judge = FrontVolume(made, (UP, DOWN), (UP, DOWN))
    whole = 0.4 * 1 + 3.4**2 + 1 * 0.4
    shares = judge.values(np.array([4, 3, 0, 1, 3, 2]))
    expected = [0, 2.4**2, 2.4**2 + 2 * 0.4, 3.4**2 + 0.4, 3.4**2 + 0.4, whole]
    assert shares == pytest.approx(np.array(expected) / whole)
    assert judge.label == "hypervolume of up and down"


def test_the_front_is_by_the_signals_and_its_volume_by_the_reports():
    """A row that leaves the front takes its volume with it; of equals by the signals the first counts."""
    signals = {"up": [1, 2, 2], "down": [0, 0, 0]}
    made = table(**signals, test=[0, 2, 1], size=[0, 2, 1])
    reports = Objective("test", "min"), Objective("size", "max")  # the front is all: (0, 0), (2, 2), (1, 1)
    judge = FrontVolume(made, (UP, DOWN), reports)
    own = {row: (2.2 - made.column("test")[row]) * (0.2 + made.column("size")[row]) for row in range(3)}
    whole = 2.2 * 0.2 + 1.2 * 1 + 0.2 * 1
    assert judge.values(np.array([0, 1, 2])) == pytest.approx(
        [own[0] / whole, own[1] / whole, own[1] / whole]
    )
    assert judge.values(np.array([2, 1, 0])) == pytest.approx([own[2] / whole] * 3)


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_front_is_kept_as_if_it_was_found_afresh(objectives):
    rng = np.random.default_rng(objectives)
    columns = {f"c{i}": rng.integers(12, size=60).tolist() for i in range(objectives)}
    columns |= {f"t{i}": rng.random(60).tolist() for i in range(objectives)}
    made = table(**columns)
    signals = tuple(Objective(f"c{i}", "min") for i in range(objectives))
    reports = tuple(Objective(f"t{i}", "min") for i in range(objectives))
    judge = FrontVolume(made, signals, reports)
    rows = rng.integers(60, size=50)
    seen = np.stack([made.column(o.metric) for o in signals], axis=1)
    told = np.stack([made.column(o.metric) for o in reports], axis=1)
    best = told[moocore.is_nondominated(told)]
    scaled = (told - best.min(axis=0)) / (best.max(axis=0) - best.min(axis=0))
    for n, share in enumerate(judge.values(rows), start=1):
        known = rows[:n]
        front = known[moocore.is_nondominated(seen[known])]  # of equals the first
        volume = moocore.hypervolume(scaled[front], ref=[1.1] * objectives)
        assert share == pytest.approx(volume / moocore.hypervolume(scaled, ref=[1.1] * objectives))


def test_a_front_of_one_point_is_measured_against_the_worst_of_the_table():
    judge = FrontVolume(table(up=[3, 2, 1], down=[5, 5, 6]), (UP, DOWN), (UP, DOWN))
    # as shares of the extents 2 and 1: (0, 0), (0.5, 0), (1, 1)
    assert judge.values(np.array([2, 1, 0])) == pytest.approx([0.1**2 / 1.1**2, 0.6 * 1.1 / 1.1**2, 1])


def test_queries_to_one_of_the_best():
    made = table(up=[5, 9, 7, 7, 1])
    assert queries_to_top(made, UP, np.array([4, 0, 1]), most=1) == 3
    assert queries_to_top(made, UP, np.array([4, 3]), most=2) == 2  # it equals the second
    assert queries_to_top(made, UP, np.array([4, 0, 4]), most=2) == np.inf
    assert queries_to_top(made, Objective("up", "min"), np.array([0, 4]), most=1) == 2
    assert queries_to_top(made, UP, np.array([4])) == 1  # all are among 16
