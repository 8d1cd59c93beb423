import csv

import numpy as np
import pytest
from scipy import stats

from nasturtium.bench.compare import Benchmark, compare, critical_difference, half_width, standings
from nasturtium.bench.write import regret_picture, write_curves
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table

SPACE = SearchSpace([Decision(name, (0, 1, 2, 3)) for name in "abcd"])
ARCHS = list(SPACE.enumerate())
SIGNAL = np.array([sum(arch.values()) for arch in ARCHS], dtype=float)
TABLE = Table(
    SPACE,
    [tuple(arch.values()) for arch in ARCHS],
    {"signal": SIGNAL, "test": SIGNAL + 0.1 * np.sin(np.arange(len(ARCHS)))},
)


def benchmark(goal="max", queries=60) -> Benchmark:
    return Benchmark(TABLE, Objective("signal", goal), Objective("test", goal), queries)


def test_what_is_reported_is_that_of_the_best_signal_and_the_earliest_of_equals():
    """The grid counts up: 0, 1, 2, 3 in the last decision, then 1 to 4, and so on."""
    curve = benchmark(queries=12).curve("grid", 0)
    rows = [0, 1, 2, 3, 3, 3, 3, 7, 7, 7, 7, 11]
    assert SIGNAL[rows].tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5]
    assert curve.tolist() == TABLE.column("test")[rows].tolist()
    assert (benchmark(goal="min", queries=9).curve("grid", 0) == TABLE.column("test")[0]).all()


def test_a_finished_strategy_keeps_what_it_has():
    curve = benchmark(queries=300).curve("grid", 0)
    assert len(curve) == 300
    assert set(curve[256:]) == {curve[255]} == {TABLE.column("test")[np.argmax(SIGNAL)]}


def test_results_come_in_the_order_of_their_seconds():
    """Of two that begin together the second, which is better, ends first."""
    table = Table(SPACE, [tuple(a.values()) for a in ARCHS], {"signal": SIGNAL, "time": 9.0 - SIGNAL})
    objective = Objective("signal", "max")
    assert Benchmark(table, objective, objective, 2, workers=2).curve("grid", 0).tolist() == [0, 1]
    timed = Benchmark(table, objective, objective, 2, workers=2, seconds="time")
    assert timed.curve("grid", 0).tolist() == [1, 1]


def test_short_trainings_are_parts_of_a_query():
    """Full ones are worth what they are without curves; ASHA meets more architectures at the same cost."""
    curves = np.repeat(SIGNAL[:, None], 9, axis=1)
    table = Table(SPACE, [tuple(a.values()) for a in ARCHS], {}, {"signal": curves})
    objective = Objective("signal", "max")
    compared = Benchmark(table, objective, objective, 30)
    assert compared.curve("grid", 0).tolist() == np.maximum.accumulate(SIGNAL[:30]).tolist()
    gain = [compared.curve("asha", seed)[29] - compared.curve("random", seed)[29] for seed in range(10)]
    assert np.mean(gain) > 2 * np.std(gain, ddof=1) / 10**0.5


def test_the_better_strategy_comes_first():
    found = compare(benchmark(), ["random", "local-search"], seeds=8)
    assert [standing.strategy for standing in found] == ["local-search", "random"]
    assert found[0].rank < 1.5 < found[1].rank
    assert found[0].mean > found[1].mean
    assert found[0].curves.shape == (8, 60)
    again = compare(benchmark(), ["local-search"], seeds=8)[0]
    assert (again.curves == found[0].curves).all()


def test_ranks_are_shared_by_equals_and_smaller_may_be_better():
    curves = {"a": np.array([[1.0], [2.0]]), "b": np.array([[1.0], [1.0]]), "c": np.array([[0.0], [3.0]])}
    assert {s.strategy: s.rank for s in standings(curves, True)} == {"a": 1.75, "b": 2.25, "c": 2.0}
    assert [s.strategy for s in standings(curves, False)] == ["b", "c", "a"]


def test_intervals_and_critical_differences():
    values = np.array([1.0, 2.0, 4.0, 5.0])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)
    assert half_width(values[:1]) == float("inf")
    # Demšar 2006, table 5a: q = 2.569 for 4 and 1.960 for 2 at the 5 % level
    assert critical_difference(4, 14) == pytest.approx(2.569 * (4 * 5 / (6 * 14)) ** 0.5, rel=1e-3)
    assert critical_difference(2, 10) == pytest.approx(1.960 * (2 * 3 / 60) ** 0.5, rel=1e-3)


def test_unknown_and_repeated_names_are_refused_before_anything_is_searched():
    with pytest.raises(UsageError, match="did you mean 'random'"):
        compare(benchmark(), ["evolution", "randm"], seeds=1)
    with pytest.raises(UsageError, match="listed twice"):
        compare(benchmark(), ["grid", "grid"], seeds=1)


@pytest.mark.parametrize("seeds", [1, 3])
def test_curves_and_picture_are_written(tmp_path, seeds):
    found = compare(benchmark(queries=5), ["random", "grid"], seeds=seeds)
    write_curves(tmp_path / "curves.csv", found)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert len(rows) == 2 * 5
    by_name = {standing.strategy: standing for standing in found}
    for row in rows:
        mean, half = by_name[row["strategy"]].after(int(row["queries"]))
        assert float(row["mean"]) == pytest.approx(mean)
        assert float(row["high"]) == pytest.approx(mean + half)
        assert sum(name.startswith("seed ") for name in row) == seeds
    assert regret_picture(benchmark(queries=5), found).startswith(b"\x89PNG")
