"""What a comparison leaves behind: its curves as CSV and as a picture."""

import csv
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import numpy as np

from nasturtium.bench.compare import Benchmark, Standing, half_width
from nasturtium.report.style import COLORS, INK, new_figure, plain, png


def write_curves(path: Path, standings: Sequence[Standing]) -> None:
    """A line per strategy and number of queries: mean, ends of its 95 % interval, and every seed."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        seeds = range(len(standings[0].curves))
        writer.writerow(["strategy", "queries", "mean", "low", "high", *(f"seed {seed}" for seed in seeds)])
        for standing in standings:
            for at, values in enumerate(standing.curves.T, start=1):
                mean, half = float(values.mean()), half_width(values)
                row = (mean, mean - half, mean + half, *values.tolist())
                writer.writerow([standing.strategy, at, *(f"{value:.10g}" for value in row)])


def regret_picture(benchmark: Benchmark, standings: Sequence[Standing]) -> bytes:
    """A PNG of the regret, how far the reported value is from the best of the table, with 95 % intervals."""
    figure = new_figure(4.6)
    axes = figure.add_subplot()
    queries = np.arange(1, benchmark.queries + 1)
    means = []
    for standing, color in zip(standings, cycle(COLORS), strict=False):
        regret = np.abs(benchmark.optimum - standing.curves)
        mean, half = regret.mean(axis=0), np.array([half_width(column) for column in regret.T])
        axes.plot(queries, mean, color=color, label=standing.strategy, linewidth=1.6)
        if len(regret) > 1:
            axes.fill_between(queries, mean - half, mean + half, color=color, alpha=0.08, linewidth=0)
        means.append(mean)
    plain(axes, x="queries", title=f"Regret by {benchmark.report.metric}")
    axes.set_ylabel("distance from the best of the table")
    axes.set_yscale("log", nonpositive="clip")
    axes.set_xlim(1, benchmark.queries)
    seen = np.array(means)[:, benchmark.queries // 50 :]  # the first random ones would take up half of it
    if (seen > 0).any():
        axes.set_ylim(0.7 * seen[seen > 0].min(), 1.3 * seen.max())
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="upper right", ncols=2)
    return png(figure)
