"""Plots of what a run measured: curves of search and training, trials, and the verdict."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nasturtium.problem.records import SearchEpoch
from nasturtium.report.data import ReportData, Verdict
from nasturtium.report.style import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    Dash,
    Picture,
    new_figure,
    picture,
    plain,
    whole_numbers,
)
from nasturtium.study.events import TrialRecord

MARKED = 12  # epochs up to which each measured point gets a dot
ACCURACY = "accuracy (%)"


def search_curves(curve: Sequence[SearchEpoch]) -> Picture:
    """Loss and accuracy of a supernet over the epochs of its training."""
    figure, panels = _panels(2)
    epochs = [e.epoch for e in curve]
    for axes, quantity, scale in ((panels[0], "loss", 1), (panels[1], "accuracy", 100)):
        for split, (color, dash, label) in SPLITS.items():
            y = [scale * getattr(e, f"{split}_{quantity}") for e in curve]
            _line(axes, epochs, y, color=color, dash=dash, label=label)
        plain(axes, x="epoch of the search", title=f"{quantity.capitalize()} while searching")
        axes.set_ylabel(ACCURACY if scale == 100 else "cross-entropy loss")
    panels[0].legend(frameon=False, fontsize=9, labelcolor=INK)
    last = curve[-1]
    alt = f"After epoch {last.epoch}, validation accuracy of the supernet {100 * last.valid_accuracy:.1f} %."
    note = SEARCH_NOTE if last.probabilities else PATHS_NOTE
    return picture(figure, "search-curves", "The search, epoch by epoch", alt=alt, note=note)


SPLITS: dict[str, tuple[str, Dash, str]] = {
    "train": (BLUE, "-", "weights’ images (search-train)"),
    "valid": (ORANGE, (0, (5, 1.5)), "architecture’s images (search-valid)"),
}
SEARCH_NOTE = (
    "Loss and accuracy of the supernet, the one network that holds all candidate operations at once. They "
    "tell whether the search ran smoothly, not how good the found network is."
)
PATHS_NOTE = (
    "Mean loss and accuracy of the paths that were trained in the supernet, the one network that holds all "
    "candidate operations at once. They tell whether its training ran smoothly, not how good the found "
    "network is."
)


def trial_accuracies(trials: Sequence[TrialRecord], metric: str = "valid_accuracy") -> Picture | None:
    """Accuracy of every trial of a black-box search with the best so far; None if no trial has one.

    The best is that of the most epochs so far, as in the search itself.
    """
    done = [t for t in trials if t.status == "ok" and metric in t.measurement.metrics]
    if not done:
        return None
    figure, (axes,) = _panels(1)
    x, y = [t.number + 1 for t in done], [100 * t.measurement.metrics[metric] for t in done]
    epochs = [t.fidelity.epochs if t.fidelity else 0 for t in done]
    ranked = list(zip(epochs, y, strict=True))
    best = [max(ranked[: i + 1])[1] for i in range(len(y))]
    axes.step(x, best, where="post", color=BLUE, linewidth=2, label="best so far")
    axes.plot(x, y, "o", color=GREY, markersize=5, alpha=0.75, markeredgewidth=0, label="one trial")
    top = ranked.index(max(ranked))
    axes.annotate(
        f"trial {x[top]}: {best[-1]:.2f} %",
        (x[top], best[-1]),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if x[top] > sum(x) / len(x) else "left",
        fontsize=9.5,
        color=BLUE,
        fontweight="bold",
    )
    plain(axes, x="trial", y="validation " + ACCURACY, title="Validation accuracy of each trial")
    axes.margins(y=0.15)
    whole_numbers(axes, x)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    counts = {
        "failed": sum(t.status == "failed" for t in trials),
        "were over a limit": sum(t.status == "infeasible" for t in trials),
    }
    left_out = " and ".join(f"{n} {what}" for what, n in counts.items() if n)
    note = f"Of {len(trials)} trials {left_out}; these are not shown." if left_out else ""
    if len(set(epochs)) > 1:
        note += (
            f" Trials have from {min(epochs)} to {max(epochs)} epochs; the best is that of the most so far."
        )
    alt = f"{len(done)} trials; the best validation accuracy, {best[-1]:.2f} %, came with trial {x[top]}."
    return picture(figure, "search-trials", "The search, trial by trial", alt=alt, note=note.strip())


def training_curves(data: ReportData) -> Picture | None:
    """Final trainings of the found network and its rivals; None if none has a curve."""
    trials = [t for t in data.retrained if t.measurement.curve]
    shown = [k for k in FIGURES if any(k in point for t in trials for point in t.measurement.curve)]
    if not shown:
        return None
    rows = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    figure, panels = _panels(2, len(rows)) if len(shown) > 1 else _panels(1)
    for axes, key in zip(panels, shown, strict=False):
        for trial in sorted(trials, key=lambda t: _rank(data, t.label)):
            _training_line(axes, trial, key, _rank(data, trial.label))
        plain(axes, x="epoch", y=ACCURACY if "accuracy" in key else "cross-entropy loss", title=FIGURES[key])
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    found = dict(zip(labels, handles, strict=True))
    panels[0].legend(found.values(), found.keys(), frameon=False, fontsize=9, labelcolor=INK)
    note = "All networks were trained from scratch with the same settings for the same number of steps."
    alt = f"Training curves of {len(trials)} networks."
    return picture(figure, "training-curves", "Final training of all networks", alt=alt, note=note)


FIGURES = {
    "train_loss": "Training loss",
    "train_accuracy": "Training accuracy",
    "valid_loss": "Validation loss",
    "valid_accuracy": "Validation accuracy",
}
LOOKS: tuple[tuple[str, str, float, Dash], ...] = (  # by rank: label, colour, width, dash
    ("random architectures", FAINT, 1.5, "-"),
    ("ordinary residual CNN", ORANGE, 2.0, (0, (4, 1.5))),
    ("found by the search", BLUE, 2.6, "-"),
)


def _rank(data: ReportData, label: str) -> int:
    """Random 0, residual 1, found 2: the order in which lines are drawn, the found one on top."""
    if data.verdict is not None:
        return {data.verdict.searched.label: 2, data.verdict.residual.label: 1}.get(label, 0)
    trial = next(t for t in data.retrained if t.label == label)
    if trial.arch is None:
        return 1
    return 2 if trial.arch == data.architecture else 0


def _training_line(axes: Axes, trial: TrialRecord, key: str, rank: int) -> None:
    points: list[Mapping[str, float]] = [p for p in trial.measurement.curve if key in p]
    scale = 100 if "accuracy" in key else 1
    x = [p.get("epoch", i) for i, p in enumerate(points, start=1)]
    label, color, width, dash = LOOKS[rank]
    _line(axes, x, [scale * p[key] for p in points], color=color, dash=dash, label=label, width=width)


def verdict_plot(verdict: Verdict) -> Picture:
    """Test accuracy of every network with the test's standard error, and mean ± std of the random ones."""
    figure = new_figure(2.9)
    axes = figure.add_axes((0.21, 0.19, 0.75, 0.69))
    rows = {
        "found by the search": ([verdict.searched], BLUE),
        "random architectures": (verdict.random, GREY),
        "ordinary residual CNN": ([verdict.residual], ORANGE),
    }
    for row, (nets, color) in enumerate(rows.values()):
        spread = [row + 0.56 * (i - (len(nets) - 1) / 2) / max(len(nets) - 1, 1) for i in range(len(nets))]
        accuracies = [net.accuracy for net in nets]
        _dots(axes, accuracies, spread, [verdict.standard_error(a) for a in accuracies], color)
    mean, std = 100 * verdict.random_mean, 100 * verdict.random_std
    axes.axvspan(mean - std, mean + std, color="#eceff3", zorder=0)
    axes.axvline(mean, color=GREY, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)
    words = f"random: {mean:.2f} ± {std:.2f}"
    axes.text(mean, -0.62, words, ha="center", va="bottom", fontsize=9, color=GREY)
    plain(axes, x="accuracy on the test images (%)")
    axes.set_yticks(range(len(rows)), list(rows), fontsize=10, color=INK)
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    note = (
        f"A dot is one trained network, its whisker one standard error of a test with {verdict.test_images} "
        f"images. The band is the mean ± standard deviation of the random architectures."
    )
    return picture(figure, "verdict", "Test accuracy of every network", alt=verdict.sentence, note=note)


def _dots(axes: Axes, x: Sequence[float], y: Sequence[float], errors: Sequence[float], color: str) -> None:
    """Accuracies (0–1) as dots, with their errors as whiskers."""
    size = 7 if len(x) == 1 else 5
    bars = [100 * error for error in errors]
    axes.errorbar(
        [100 * a for a in x], y, xerr=bars, fmt="o", color=color, elinewidth=1.1, markersize=size, zorder=3
    )


def _panels(columns: int, rows: int = 1) -> tuple[Figure, list[Axes]]:
    figure = new_figure(3.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=0.075, right=0.985, bottom=0.17 / rows, top=1 - 0.1 / rows, wspace=0.2, hspace=0.45
    )
    return figure, list(grid.ravel())


def _line(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    *,
    color: str,
    dash: Dash,
    label: str,
    width: float = 2.0,
) -> None:
    """A line; with dots while there are few points, so that a single epoch shows."""
    marker = "o" if len(x) <= MARKED else ""
    axes.plot(x, y, color=color, linestyle=dash, linewidth=width, marker=marker, markersize=3, label=label)
    whole_numbers(axes, x)
