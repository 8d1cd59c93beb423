import moocore
import numpy as np
import pytest

from nasturtium.bench.judging import FrontVolume, Incumbent, queries_to_top
from nasturtium.bench.simulate import History
from nasturtium.problem.objectives import Objective
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table


def table(**columns: list[float]) -> Table:
    n = len(next(iter(columns.values())))
    space = SearchSpace([Decision("d", tuple(range(n)))])
    return Table(space, [(i,) for i in range(n)], {name: np.array(c, float) for name, c in columns.items()})


def history(table: Table, signals: tuple[Objective, ...], rows) -> History:
    """As if these rows were looked up one after the other."""
    losses = [
        [objective.loss({objective.metric: table.column(objective.metric)[row]}) for objective in signals]
        for row in rows
    ]
    steps = np.arange(1, len(losses) + 1)
    return History(np.array(rows), steps, np.full(len(rows), table.epochs), np.array(losses), steps)


UP, DOWN = Objective("up", "max"), Objective("down", "min")


def test_the_incumbent_has_the_best_signal_and_is_the_earliest_of_equals():
    made = table(up=[1, 3, 3, 2, 5], down=[9, 8, 7, 6, 5])
    judge = Incumbent(made, Objective("down", "max"))
    assert judge.values(history(made, (UP,), [0, 3, 2, 1, 4])).tolist() == [9, 6, 7, 7, 5]
    assert (judge.best, judge.larger_is_better, judge.label) == (9, True, "down")
    judge = Incumbent(made, DOWN)
    assert judge.values(history(made, (DOWN,), [0, 3, 2])).tolist() == [9, 6, 6]
    assert (judge.best, judge.larger_is_better) == (5, False)


def test_what_is_at_the_highest_fidelity_so_far_leads():
    """Later rows are better at every fidelity, but after eight epochs only 0 and 1 are known."""
    made = table(up=[0, 1, 2, 3, 4, 5], down=[5, 4, 3, 2, 1, 0])
    rows, epochs = [5, 4, 3, 0, 5, 1, 2], np.array([2, 4, 4, 8, 4, 8, 2])
    steps = np.arange(1, 8)
    one = History(np.array(rows), steps, epochs, -np.array(rows, float)[:, None], steps)
    assert Incumbent(made, UP).values(one).tolist() == [5, 4, 4, 0, 0, 1, 1]
    both = History(np.array(rows), steps, epochs, np.array([[-row, 5 - row] for row in rows], float), steps)
    judge = FrontVolume(made, (UP, DOWN))
    alone = {row: judge.values(history(made, (UP, DOWN), [row]))[0] for row in rows}
    assert judge.values(both).tolist() == [alone[row] for row in [5, 4, 4, 0, 0, 1, 1]]
    curved = Table(made.space, [(i,) for i in range(6)], {}, {"up": np.repeat(np.arange(6.0)[:, None], 8, 1)})
    assert queries_to_top(curved, UP, one, most=6) == 4  # the first full training


def test_hypervolume_by_hand():
    """The table's front is (0, 4), (1, 1), (4, 0) as losses, with the ideal point 0 and the nadir point 4.

    Up to 1.1 nadirs, 4.4, the three dominate 0.4 · 1 + 3.4² + 1 · 0.4 of 4.4².
    """
    made = table(up=[0, -1, -4, -2, -9], down=[4, 1, 0, 2, 9])
    judge = FrontVolume(made, (UP, DOWN))
    whole = 0.4 * 1 + 3.4**2 + 1 * 0.4
    shares = judge.values(history(made, (UP, DOWN), [4, 3, 0, 1, 3, 2]))
    expected = [0, 2.4**2, 2.4**2 + 2 * 0.4, 3.4**2 + 0.4, 3.4**2 + 0.4, whole]
    assert shares == pytest.approx(np.array(expected) / whole)
    assert judge.label == "hypervolume of up and down"


def test_the_front_is_by_the_signals_and_its_volume_by_the_reports():
    """A row that leaves the front takes its volume with it; of equals by the signals the first counts."""
    made = table(up=[1, 2, 2], down=[0, 0, 0], test=[0, 2, 1], size=[0, 4, 1])
    judge = FrontVolume(made, (Objective("test", "min"), Objective("size", "max")))
    # scaled, the reports are (0, 1), (1, 0) and (0.5, 0.75), none of which dominates another
    alone, whole = {0: 1.1 * 0.1, 1: 0.1 * 1.1, 2: 0.6 * 0.35}, 0.5 * 0.1 + 0.5 * 0.35 + 0.1 * 1.1
    for rows, fronts in {(0, 2, 1): (0, 2, 2), (1, 2, 0): (1, 1, 1), (2, 1, 0): (2, 2, 2)}.items():
        found = judge.values(history(made, (UP, DOWN), rows))
        assert found == pytest.approx([alone[row] / whole for row in fronts])


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_front_is_kept_as_if_it_was_found_afresh(objectives):
    rng = np.random.default_rng(objectives)
    columns = {f"c{i}": rng.integers(12, size=60).tolist() for i in range(objectives)}
    columns |= {f"t{i}": rng.random(60).tolist() for i in range(objectives)}
    made = table(**columns)
    signals = tuple(Objective(f"c{i}", "min") for i in range(objectives))
    reports = tuple(Objective(f"t{i}", "min") for i in range(objectives))
    judge = FrontVolume(made, reports)
    rows = rng.integers(60, size=50)
    seen = np.stack([made.column(o.metric) for o in signals], axis=1)
    told = np.stack([made.column(o.metric) for o in reports], axis=1)
    best = told[moocore.is_nondominated(told)]
    scaled = (told - best.min(axis=0)) / (best.max(axis=0) - best.min(axis=0))
    for n, share in enumerate(judge.values(history(made, signals, rows)), start=1):
        known = rows[:n]
        front = known[moocore.is_nondominated(seen[known])]  # of equals the first
        volume = moocore.hypervolume(scaled[front], ref=[1.1] * objectives)
        assert share == pytest.approx(volume / moocore.hypervolume(scaled, ref=[1.1] * objectives))


def test_a_front_of_one_point_is_measured_against_the_worst_of_the_table():
    made = table(up=[3, 2, 1], down=[5, 5, 6])
    judge = FrontVolume(made, (UP, DOWN))
    # as shares of the extents 2 and 1: (0, 0), (0.5, 0), (1, 1)
    found = judge.values(history(made, (UP, DOWN), [2, 1, 0]))
    assert found == pytest.approx([0.1**2 / 1.1**2, 0.6 * 1.1 / 1.1**2, 1])


def test_queries_to_one_of_the_best():
    made = table(up=[5, 9, 7, 7, 1])

    def queries(rows: list[int], most: int, signal: Objective = UP) -> float:
        return queries_to_top(made, signal, history(made, (signal,), rows), most=most)

    assert queries([4, 0, 1], 1) == 3
    assert queries([4, 3], 2) == 2  # it equals the second
    assert queries([4, 0, 4], 2) == np.inf
    assert queries([0, 4], 1, Objective("up", "min")) == 2
    assert queries([4], 16) == 1  # all are among 16
