"""What `nasturtium bench` does: compare strategies on a table, show who stands where, write curves."""

import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import cast

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from nasturtium.bench.compare import Benchmark, Standing, compare, critical_difference
from nasturtium.bench.write import regret_picture, write_curves
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Goal, Objective
from nasturtium.study.progress import Progress
from nasturtium.tables.files import read_table
from nasturtium.tables.shipped import SHIPPED


def benchmark_of(
    path: Path,
    signal: str | None,
    report: str | None,
    goal: str,
    queries: int,
    workers: int,
    seconds: str | None,
) -> Benchmark:
    """What a person asked for; raises `UsageError` where it makes no sense."""
    if (shipped := SHIPPED.get(str(path))) is None:
        table = read_table(path)
    else:
        table = shipped.table()
        signal, report = signal or shipped.signal, report or shipped.report
        seconds = seconds or shipped.seconds
    if signal is None:
        raise UsageError(f"--signal says which column is searched; {path} has {', '.join(table.metrics)}")
    for column in (signal, report or signal, seconds or signal):
        table.column(column)  # raises
    searched, judged = (Objective(column, cast(Goal, goal)) for column in (signal, report or signal))
    return Benchmark(table, searched, judged, queries, workers, seconds)


def run(
    benchmark: Benchmark, strategies: Sequence[str], seeds: int, to: Path | None, out: Console, bar: Progress
) -> None:
    """Compare, show, and write `curves.csv` and `regret.png` if there is a folder `to`."""
    bar.start("bench", len(strategies) * seeds, "searches")
    began, done = time.perf_counter(), count(1)
    try:
        found = compare(
            benchmark, strategies, seeds, on_done=lambda name: bar.advance(next(done), strategy=name)
        )
    finally:
        bar.finish()
    out.print(_table(benchmark, found, seeds))
    out.print(_reading(benchmark, found, seeds, time.perf_counter() - began), highlight=False, markup=False)
    if to is not None:
        to.mkdir(parents=True, exist_ok=True)
        write_curves(to / "curves.csv", found)
        (to / "regret.png").write_bytes(regret_picture(benchmark, found))
        for name in ("curves.csv", "regret.png"):
            out.print(f"  {to / name}", highlight=False, markup=False, soft_wrap=True)


def _table(benchmark: Benchmark, found: Sequence[Standing], seeds: int) -> Table:
    points = sorted({max(benchmark.queries // part, 1) for part in (4, 2, 1)})
    heads = [f"after {n}" for n in points]
    columns = (Column(head, no_wrap=True) for head in ("strategy", "rank", *heads, "mean"))
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for standing in found:
        values = [_with_interval(*standing.after(n), seeds) for n in points]
        table.add_row(standing.strategy, f"{standing.rank:.2f}", *values, f"{standing.mean:.5g}")
    return table


def _with_interval(mean: float, half: float, seeds: int) -> str:
    return f"{mean:.5g} ± {half:.2g}" if seeds > 1 else f"{mean:.5g}"


def _reading(benchmark: Benchmark, found: Sequence[Standing], seeds: int, seconds: float) -> str:
    lines = [
        f"{benchmark.report.metric} of the best {benchmark.signal.metric} so far; the best of the table is"
        f" {benchmark.optimum:.6g}. Means of {seeds} seeds with 95 % intervals; `mean` is over"
        f" all numbers of queries. {seconds:.1f} s in all."
    ]
    if len(found) > 1 and seeds > 1:
        difference = critical_difference(len(found), seeds)
        lines.append(f"Mean ranks less than {difference:.2f} apart don't differ at the 5 % level (Nemenyi).")
    return "\n".join(lines)
