import csv

import numpy as np
import pytest

from nasturtium.bench.compare import Benchmark, Standing, Track, compare
from nasturtium.bench.entrants import entrants
from nasturtium.bench.write import common_times, write_all
from nasturtium.problem.objectives import Objective
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table

SPACE = SearchSpace([Decision(name, (0, 1, 2, 3)) for name in "ab"])
ARCHS = list(SPACE.enumerate())
SUM = np.array([sum(arch.values()) for arch in ARCHS], dtype=float)
TABLE = Table(SPACE, [tuple(a.values()) for a in ARCHS], {"signal": SUM, "other": SUM % 3, "time": 1 + SUM})
SIGNAL = (Objective("signal", "max"),)
PNG = b"\x89PNG"


def read(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("seeds", [1, 3])
def test_curves_and_picture_are_written(tmp_path, seeds):
    benchmark = Benchmark(TABLE, SIGNAL, SIGNAL, 5)
    found = compare(benchmark, entrants(["random", "grid"]), seeds=seeds)
    written = write_all(tmp_path / "new", benchmark, found)
    assert written == [tmp_path / "new" / name for name in ("curves.csv", "regret.png")]
    rows = read(written[0])
    assert len(rows) == 2 * 5
    by_name = {standing.strategy: standing for standing in found}
    for row in rows:
        mean, half = by_name[row["strategy"]].after(int(row["queries"]))
        assert float(row["mean"]) == pytest.approx(mean)
        assert float(row["high"]) == pytest.approx(mean + half)
        assert sum(name.startswith("seed ") for name in row) == seeds
    assert written[1].read_bytes().startswith(PNG)


def test_with_seconds_there_are_curves_over_these_too(tmp_path):
    benchmark = Benchmark(TABLE, SIGNAL, SIGNAL, 4, seconds="time")
    found = compare(benchmark, entrants(["grid", "random"]), seeds=2)
    written = write_all(tmp_path, benchmark, found)
    names = ["curves.csv", "regret.png", "curves-seconds.csv", "regret-seconds.png"]
    assert [path.name for path in written] == names
    assert written[3].read_bytes().startswith(PNG)
    rows = [row for row in read(written[2]) if row["strategy"] == "grid"]
    # sums 0, 1, 2, 3 take 1 + 2 + 3 + 4 seconds
    for row in rows:
        came = np.searchsorted([1, 3, 6, 10], float(row["simulated seconds"]), side="right") - 1
        assert float(row["mean"]) == came
    assert float(rows[-1]["mean"]) == 3


def test_times_begin_when_all_have_something_and_end_with_the_last():
    early, late = (
        Standing("", [Track(np.arange(len(seconds)), np.array(seconds), np.arange(3))], np.zeros((1, 1)))
        for seconds in ([1.0, 2.0], [3.0, 4.0, 9.0])
    )
    times = common_times([early, late])
    assert (times[0], times[-1]) == (3, 9)
    assert np.allclose(np.diff(times), np.diff(times)[0])


def test_fronts_have_pictures_and_strategies_more_than_colours(tmp_path):
    two = (*SIGNAL, Objective("other", "min"))
    benchmark = Benchmark(TABLE, two, two, 4)
    names = ["grid", "random", "nsga2", *(f"evolution:population={n}" for n in range(10, 17))]
    _, picture = write_all(tmp_path, benchmark, compare(benchmark, entrants(names), seeds=2))
    assert picture.read_bytes().startswith(PNG)
