"""What `nasturtium bench` does: compare strategies on a table, show who stands where, write curves."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import cast

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Column
from rich.table import Table as Printed

from nasturtium.bench.compare import Benchmark, Make, Standing, compare, critical_difference
from nasturtium.bench.judging import TOP
from nasturtium.bench.write import write_all
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Goal, Objective
from nasturtium.problem.protocols import Hints
from nasturtium.study.progress import Progress
from nasturtium.tables.base import Table
from nasturtium.tables.files import read_table
from nasturtium.tables.shipped import SHIPPED

WIDEST = 200  # characters of a table


def benchmark_of(
    path: Path,
    signal: str | None,
    report: str | None,
    goal: str,
    queries: int,
    workers: int,
    seconds: str | None,
    hints: str | None,
) -> Benchmark:
    """What a person asked for; `signal`, `report`, `goal` and `hints` may be several with commas between.

    A benchmark of our own knows what is searched for, unless `signal` says. Raises `UsageError` where it
    makes no sense.
    """
    if (shipped := SHIPPED.get(str(path))) is None:
        table = read_table(path)
    else:
        table = shipped.table()
        if signal is None:
            signal, report = shipped.signal, report or shipped.report
        seconds = seconds or shipped.seconds
    if signal is None:
        raise UsageError(f"--signal says which column is searched; {path} has {', '.join(table.metrics)}")
    signals = _several(signal)
    reports = _several(report) if report is not None else signals
    goals = _several(goal) * (1 if "," in goal else len(signals))
    for option, values in {"--report": reports, "--goal": goals}.items():
        if len(values) != len(signals):
            raise UsageError(f"{option} has {len(values)} for {len(signals)} of --signal: give one for each")
    for column in (*signals, *reports, *([] if seconds is None else [seconds])):
        table.column(column)  # raises
    searched, judged = (
        tuple(Objective(column, cast(Goal, goal)) for column, goal in zip(columns, goals, strict=True))
        for columns in (signals, reports)
    )
    known = None if hints is None else _columns(table, _several(hints), never=(*signals, *reports))
    return Benchmark(table, searched, judged, queries, workers, seconds, known)


def _columns(table: Table, names: Sequence[str], never: Collection[str]) -> Hints:
    """Columns of a table as hints; what is searched or judged by is none."""
    for name in names:
        if name in never:
            raise UsageError(f"{name!r} can't be a hint: it is what is searched or judged by")
    columns = np.stack([table.column(name) for name in names], axis=1)
    return lambda archs: columns[table.rows(archs)]


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def run(
    benchmark: Benchmark,
    strategies: Mapping[str, Make],
    seeds: int,
    to: Path | None,
    out: Console,
    bar: Progress,
) -> None:
    """Compare, show, and write what `write_all` says if there is a folder `to`."""
    bar.start("bench", len(strategies) * seeds, "searches")
    began, done = time.perf_counter(), count(1)
    try:
        found = compare(
            benchmark, strategies, seeds, on_done=lambda name: bar.advance(next(done), strategy=name)
        )
    finally:
        bar.finish()
    table = _table(benchmark, found, seeds)
    needed = Measurement.get(out, out.options.update(width=WIDEST), table).maximum
    out.width = max(out.width, needed)  # a line that is too long reads better than names in pieces
    out.print(table)
    out.print(_reading(benchmark, found, seeds, time.perf_counter() - began), highlight=False, markup=False)
    for path in write_all(to, benchmark, found) if to is not None else ():
        out.print(f"  {path}", highlight=False, markup=False, soft_wrap=True)


def _table(benchmark: Benchmark, found: Sequence[Standing], seeds: int) -> Printed:
    points = sorted({max(benchmark.queries // part, 1) for part in (4, 2, 1)})
    heads = ["strategy", "rank", *(f"after {n}" for n in points), "mean"]
    if len(benchmark.signals) == 1:
        heads.append(f"top {TOP}")
    columns = (Column(head, no_wrap=True) for head in heads)
    table = Printed(*columns, box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for standing in found:
        row = [standing.strategy, f"{standing.rank:.2f}"]
        row += [_with_interval(*standing.after(n), seeds) for n in points]
        row.append(f"{standing.mean:.5g}")
        if standing.top is not None:
            median = float(np.median(standing.top))
            row.append(f"{median:.5g}" if np.isfinite(median) else f"> {benchmark.queries}")
        table.add_row(*row)
    return table


def _with_interval(mean: float, half: float, seeds: int) -> str:
    """Digits end where the interval's do: at its second one below 3, such as 0.28, else at its first."""
    if seeds == 1 or half <= 1e-9 * abs(mean):  # all alike but for rounding
        return f"{mean:.5g}"
    first = math.floor(math.log10(half))
    decimals = max(-first + (half < 3 * 10**first), 0)
    return f"{mean:.{decimals}f} ± {half:.{decimals}f}"


def _reading(benchmark: Benchmark, found: Sequence[Standing], seeds: int, seconds: float) -> str:
    judge, signals = benchmark.judge, " and ".join(signal.metric for signal in benchmark.signals)
    if len(benchmark.signals) == 1:
        what = f"{judge.label} of the best {signals} so far; the best of the table is {judge.best:.6g}."
        last = f" `top {TOP}`: queries to one of the {TOP} best by {signals}, the median of the seeds."
    else:
        what = f"{judge.label} of the front by {signals} so far, as a share of that of the table's own front."
        last = ""
    lines = [
        f"{what} Means of {seeds} seeds with 95 % intervals; `mean` is over all numbers of queries, the area"
        f" under the curve.{last} {seconds:.1f} s in all."
    ]
    if len(found) > 1 and seeds > 1:
        difference = critical_difference(len(found), seeds)
        lines.append(f"Mean ranks less than {difference:.2f} apart don't differ at the 5 % level (Nemenyi).")
    return "\n".join(lines)
