import numpy as np
import pytest
from scipy import stats

from nasturtium.bench.compare import (
    Benchmark,
    Standing,
    compare,
    critical_difference,
    half_width,
    ranked,
)
from nasturtium.bench.entrants import entrants
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
    return Benchmark(TABLE, (Objective("signal", goal),), (Objective("test", goal),), queries)


def curve(benchmark: Benchmark, name: str) -> np.ndarray:
    (standing,) = compare(benchmark, entrants([name]), seeds=1)
    return standing.curves[0]


def test_what_is_reported_is_that_of_the_best_signal():
    """The grid counts up: 0, 1, 2, 3 in the last decision, then 1 to 4, and so on."""
    rows = [0, 1, 2, 3, 3, 3, 3, 7, 7, 7, 7, 11]
    assert SIGNAL[rows].tolist() == [0, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5]
    assert curve(benchmark(queries=12), "grid").tolist() == TABLE.column("test")[rows].tolist()
    assert (curve(benchmark(goal="min", queries=9), "grid") == TABLE.column("test")[0]).all()


def test_a_finished_strategy_keeps_what_it_has():
    (standing,) = compare(benchmark(queries=300), entrants(["grid"]), seeds=1)
    assert standing.curves.shape == (1, 300)
    assert set(standing.curves[0, 256:]) == {standing.curves[0, 255]}
    assert standing.curves[0, 255] == TABLE.column("test")[np.argmax(SIGNAL)]
    assert standing.tracks[0].seconds.tolist() == list(range(1, 257))
    assert standing.tracks[0].at(np.array([1.0, 1.9, 4.0, 999.0])).tolist() == [
        standing.curves[0, i] for i in (0, 0, 3, 255)
    ]


def test_results_come_in_the_order_of_their_seconds():
    """Of two that begin together the second, which is better, ends first."""
    table = Table(SPACE, [tuple(a.values()) for a in ARCHS], {"signal": SIGNAL, "time": 9.0 - SIGNAL})
    objectives = (Objective("signal", "max"),)
    assert curve(Benchmark(table, objectives, objectives, 2, workers=2), "grid").tolist() == [0, 1]
    timed = Benchmark(table, objectives, objectives, 2, workers=2, seconds="time")
    assert curve(timed, "grid").tolist() == [1, 1]


def test_short_trainings_are_parts_of_a_query():
    """Full ones are worth what they are without curves; ASHA meets more architectures at the same cost."""
    curves = np.repeat(SIGNAL[:, None], 9, axis=1)
    table = Table(SPACE, [tuple(a.values()) for a in ARCHS], {}, {"signal": curves})
    objectives = (Objective("signal", "max"),)
    compared = Benchmark(table, objectives, objectives, 30)
    assert curve(compared, "grid").tolist() == np.maximum.accumulate(SIGNAL[:30]).tolist()
    by_name = {
        each.strategy: each.curves for each in compare(compared, entrants(["asha", "random"]), seeds=10)
    }
    gain = by_name["asha"][:, 29] - by_name["random"][:, 29]
    assert np.mean(gain) > 2 * np.std(gain, ddof=1) / 10**0.5


def test_the_better_strategy_comes_first():
    found = compare(benchmark(), entrants(["random", "local-search"]), seeds=8)
    assert [standing.strategy for standing in found] == ["local-search", "random"]
    assert found[0].rank < 1.5 < found[1].rank
    assert found[0].mean > found[1].mean
    assert np.median(found[0].top) < np.median(found[1].top)
    assert found[0].curves.shape == (8, 60)
    again = compare(benchmark(), entrants(["local-search"]), seeds=8)[0]
    assert (again.curves == found[0].curves).all()


def test_several_signals_are_judged_by_the_hypervolume_of_their_front():
    columns = {"signal": SIGNAL, "size": (SIGNAL - 6) ** 2}  # all sums from 6 to 12 are on the front
    table = Table(SPACE, [tuple(a.values()) for a in ARCHS], columns)
    two = Objective("signal", "max"), Objective("size", "min")
    found = compare(Benchmark(table, two, two, 256), entrants(["nsga2", "grid"]), seeds=3)
    whole = next(standing for standing in found if standing.strategy == "grid")
    assert whole.top is None
    assert (np.diff(whole.curves) >= 0).all()  # of the signals themselves it never falls
    assert whole.curves[:, -1] == pytest.approx(1)


def test_ranks_are_shared_by_equals_and_smaller_may_be_better():
    curves = {"a": np.array([[1.0], [2.0]]), "b": np.array([[1.0], [1.0]]), "c": np.array([[0.0], [3.0]])}
    found = [Standing(name, [], rows) for name, rows in curves.items()]
    assert {s.strategy: s.rank for s in ranked(found, True)} == {"a": 1.75, "b": 2.25, "c": 2.0}
    assert [s.strategy for s in ranked(found, False)] == ["b", "c", "a"]


def test_intervals_and_critical_differences():
    values = np.array([1.0, 2.0, 4.0, 5.0])
    low, high = stats.t.interval(0.95, 3, loc=values.mean(), scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)
    assert half_width(values[:1]) == float("inf")
    # Demšar 2006, table 5a: q = 2.569 for 4 and 1.960 for 2 at the 5 % level
    assert critical_difference(4, 14) == pytest.approx(2.569 * (4 * 5 / (6 * 14)) ** 0.5, rel=1e-3)
    assert critical_difference(2, 10) == pytest.approx(1.960 * (2 * 3 / 60) ** 0.5, rel=1e-3)


def test_who_cannot_search_is_refused_before_anything_is_searched():
    two = Objective("signal", "max"), Objective("test", "max")
    done, names = [], entrants(["random", "annealing"])
    with pytest.raises(UsageError, match="annealing minimises one loss"):
        compare(Benchmark(TABLE, two, two, 5), names, seeds=1, on_done=done.append)
    assert done == []
