"""What a comparison leaves behind: its curves as CSV and as pictures."""

import csv
import math
from collections.abc import Mapping, Sequence
from itertools import cycle, product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from nasturtium.bench.compare import Benchmark, Standing, half_width
from nasturtium.report.style import COLORS, FAINT, GREY, INK, Dash, new_figure, plain, png

DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)))  # later ones where colours don't suffice
NAMES = 4  # in a line of the legend
TIMES = 200  # points of the grid of simulated seconds
Curves = Mapping[str, np.ndarray]
"""By strategy: seeds × points."""


def write_all(folder: Path, benchmark: Benchmark, standings: Sequence[Standing]) -> list[Path]:
    """`curves.csv` and `regret.png` over queries; with a column of seconds also `curves-seconds.csv` and
    `regret-seconds.png`. Returns what was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {"": ("queries", np.arange(1, benchmark.queries + 1), {s.strategy: s.curves for s in standings})}
    if benchmark.seconds is not None:
        times = common_times(standings)
        over = {s.strategy: np.array([track.at(times) for track in s.tracks]) for s in standings}
        kinds["-seconds"] = "simulated seconds", times, over
    written = []
    for ending, (axis, points, curves) in kinds.items():
        written += [folder / f"curves{ending}.csv", folder / f"regret{ending}.png"]
        write_curves(written[-2], axis, points, curves)
        written[-1].write_bytes(regret_picture(benchmark, axis, points, curves))
    return written


def common_times(standings: Sequence[Standing]) -> np.ndarray:
    """Evenly spaced simulated seconds, from when every search has its first result to the end of the last."""
    came = [track.seconds for standing in standings for track in standing.tracks]
    first, last = max(seconds[0] for seconds in came), max(seconds[-1] for seconds in came)
    return np.linspace(first, last, TIMES)


def write_curves(path: Path, axis: str, points: np.ndarray, curves: Curves) -> None:
    """A line per strategy and point: mean, ends of its 95 % interval, and every seed."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        seeds = range(len(next(iter(curves.values()))))
        writer.writerow(["strategy", axis, "mean", "low", "high", *(f"seed {seed}" for seed in seeds)])
        for strategy, rows in curves.items():
            for at, values in zip(points.tolist(), rows.T, strict=True):
                mean, half = float(values.mean()), half_width(values)
                figures = (at, mean, mean - half, mean + half, *values.tolist())
                writer.writerow([strategy, *(f"{figure:.10g}" for figure in figures)])


def regret_picture(benchmark: Benchmark, axis: str, points: np.ndarray, curves: Curves) -> bytes:
    """A PNG of the regret, how far what was found is from the best of the table, with 95 % intervals."""
    lines = math.ceil(len(curves) / NAMES)  # of the legend
    height = 4.6 + 0.25 * lines
    figure = new_figure(height)
    figure.subplots_adjust(
        left=0.09, right=0.98, bottom=(0.55 + 0.25 * lines) / height, top=1 - 0.37 / height
    )
    axes = figure.add_subplot()
    means = []
    for (strategy, rows), (dash, color) in zip(curves.items(), cycle(product(DASHES, COLORS)), strict=False):
        regret = np.abs(benchmark.judge.best - rows)
        mean, half = regret.mean(axis=0), np.array([half_width(column) for column in regret.T])
        axes.plot(points, mean, color=color, linestyle=dash, label=strategy, linewidth=1.6)
        if len(regret) > 1:
            axes.fill_between(points, mean - half, mean + half, color=color, alpha=0.08, linewidth=0)
        means.append(mean)
    plain(axes, x=axis, title=f"Regret by {benchmark.judge.label}")
    axes.set_ylabel("distance from the best of the table")
    _scale(axes, points, np.array(means))
    figure.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower center", ncols=NAMES)
    return png(figure)


def _scale(axes: Axes, points: np.ndarray, means: np.ndarray) -> None:
    axes.set_yscale("log", nonpositive="clip")
    axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for side in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        side(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.tick_params(axis="y", which="minor", colors=GREY, labelsize=9, length=3, color=FAINT)
    axes.set_xlim(points[0], points[-1])
    seen = means[:, len(points) // 50 :]  # the first random ones would take up half of it
    if (seen > 0).any():
        axes.set_ylim(0.7 * seen[seen > 0].min(), 1.3 * seen.max())
