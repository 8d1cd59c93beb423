"""What a gradient search pointed to, epoch by epoch: whether it decides, and whether it collapses."""

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from nasturtium.problem.records import SearchEpoch
from nasturtium.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    RED,
    Picture,
    new_figure,
    picture,
    plain,
    whole_numbers,
)


class Line(NamedTuple):
    """A figure of `SearchEpoch`; where it is a share (0–1) it is shown in percent."""

    figure: str
    label: str
    color: str
    scale: float = 1.0


SKIPS, SHARES = "Skip connections", "Shares (%)"
PANELS = {
    SKIPS: (Line("skips", "skip connections chosen", GREEN),),
    SHARES: (
        Line("free_share", "operations without parameters", ORANGE, 100),
        Line("entropy", "entropy of the probabilities", BLUE, 100),
    ),
    "Curvature": (Line("eigenvalue", "largest eigenvalue", RED),),
}
MARKED = 12  # measured points up to which each gets a dot
NOTE = (
    "What the architecture parameters pointed to after each epoch. A search that goes on for too long may "
    "collapse: it comes to prefer skip connections, and operations without parameters, because the supernet "
    "trains easily through them. Both are counted where the search could have chosen otherwise. The entropy "
    "says how undecided it was (100 %: no option is favoured)."
)
CURVATURE = " The curvature of the validation loss grows when a search begins to go wrong."
TAKEN = " The dotted line marks the epoch whose architecture was taken."


def heading(curve: Sequence[SearchEpoch], taken: int | None) -> Picture | None:
    """A panel for each kind of figure that was measured, None if there is none; `taken` is the epoch whose
    architecture was taken.
    """
    measured = {title: [line for line in lines if _points(curve, line)[0]] for title, lines in PANELS.items()}
    shown = {title: lines for title, lines in measured.items() if lines}
    if not shown:
        return None
    figure = new_figure(2.7)
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    figure.subplots_adjust(left=0.06, right=0.985, bottom=0.2, top=0.87, wspace=0.25)
    early = taken is not None and taken < curve[-1].epoch
    for axes, (title, lines) in zip(panels, shown.items(), strict=True):
        for line in lines:
            _draw(axes, curve, line)
        plain(axes, x="epoch of the search", title=title)
        whole_numbers(axes, [epoch.epoch for epoch in curve], most=6)
        axes.set_ylim(bottom=min(0.0, axes.dataLim.y0))
        if title == SHARES:
            axes.set_ylim(top=140)  # room for the legend
            axes.set_yticks(range(0, 101, 20))
            axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="upper left", borderaxespad=0)
        elif title == SKIPS:
            axes.set_ylim(top=max(1.1, axes.get_ylim()[1]))
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if early and taken is not None:
            axes.axvline(taken, color=GREY, linestyle=":", linewidth=1.4)
    note = NOTE + (CURVATURE if "Curvature" in shown else "") + (TAKEN if early else "")
    return picture(figure, "search-heading", "Where the search was heading", alt=_words(curve), note=note)


def _points(curve: Sequence[SearchEpoch], line: Line) -> tuple[list[int], list[float]]:
    known = [(e.epoch, getattr(e, line.figure)) for e in curve if getattr(e, line.figure) is not None]
    return [epoch for epoch, _ in known], [line.scale * value for _, value in known]


def _draw(axes: Axes, curve: Sequence[SearchEpoch], line: Line) -> None:
    x, y = _points(curve, line)
    marker = "o" if len(x) <= MARKED else ""
    axes.plot(x, y, color=line.color, linewidth=2.0, marker=marker, markersize=3, label=line.label)


def _words(curve: Sequence[SearchEpoch]) -> str:
    """The last value of each figure."""
    found = []
    for line in (line for lines in PANELS.values() for line in lines):
        _, values = _points(curve, line)
        if values:
            found.append(f"{line.label}: {values[-1]:.3g}{' %' if line.scale == 100 else ''}")
    return f"At the end, {'; '.join(found)}."
