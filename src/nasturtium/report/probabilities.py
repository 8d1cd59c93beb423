"""How the probabilities of a gradient search moved: a small panel for each decision."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nasturtium.problem.records import SearchEpoch
from nasturtium.report.style import (
    BLUE,
    COLORS,
    FAINT,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PINK,
    RED,
    SKY,
    WIDTH,
    Dash,
    Picture,
    family,
    new_figure,
    picture,
    plain,
    readable,
    slug,
    whole_numbers,
)
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import NOTHING, cell_of, edge_of
from nasturtium.space.decision import Decision, members
from nasturtium.space.search_space import SearchSpace

SHADES = {
    "separable convolution": (BLUE, SKY),
    "dilated convolution": (RED, ORANGE),
    "convolution": (SKY, BLUE),
    "max pooling": (GREEN,),
    "average pooling": (PINK,),
    "skip connection": (GREY,),
}
Look = tuple[str, Dash]
DASHES: tuple[Dash, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
PER_ROW = 5
LEAST_COLUMNS = 4
PANEL_HEIGHT = 1.3
Spot = tuple[int, int]
NOTE = (
    "Each panel is one decision; each line is the probability that the search gave to one option, epoch by "
    "epoch. A dark title names what was chosen in the end; a pale panel is an edge that the found cell "
    "does not use. "
)
REST = "Probabilities of a panel add up to one together with the dotted line, which stands for no connection."
ALONE = "This search gave every option a weight of its own between 0 and 1; they need not add up to one."


def probability_pictures(
    curve: Sequence[SearchEpoch], space: SearchSpace, arch: Architecture | None
) -> tuple[Picture, ...]:
    """A picture for the edges of each cell, one for the inputs of its nodes, one for each other group."""
    alone = any(sum(row) > 1.001 for epoch in curve for row in epoch.probabilities.values())
    known = [name for name in space.decisions if any(name in epoch.probabilities for epoch in curve)]
    groups: dict[tuple[str, str], list[str]] = {}
    for name in known:
        groups.setdefault(_group(name, space), []).append(name)
    return tuple(
        _picture(i, cell, kind, [space.decisions[name] for name in names], curve, arch, alone=alone)
        for i, ((cell, kind), names) in enumerate(groups.items(), start=1)
    )


def _group(name: str, space: SearchSpace) -> tuple[str, str]:
    cell = cell_of(name, space)
    if cell is None:
        return "", ", ".join(map(str, space.decisions[name].options))
    return cell, "inputs" if edge_of(name) is None else "edges"


def _picture(
    number: int,
    cell: str,
    kind: str,
    decisions: Sequence[Decision],
    curve: Sequence[SearchEpoch],
    arch: Architecture | None,
    *,
    alone: bool,
) -> Picture:
    options = list(dict.fromkeys(str(option) for decision in decisions for option in decision.options))
    rest = not alone and _lowest_sum(decisions, curve) < 0.999
    figure = _figure(decisions, looks(options), curve, arch, rest=rest)
    title = {"edges": f"Operations of cell “{cell}”", "inputs": f"Inputs of cell “{cell}”"}.get(
        kind if cell else "", "Other decisions"
    )
    alt = f"{len(decisions)} panels of probabilities over {len(curve)} epochs."
    name = f"probabilities-{number}-{slug(cell or 'others')}"
    return picture(figure, name, title, alt=alt, note=NOTE + (ALONE if alone else REST if rest else ""))


def _figure(
    decisions: Sequence[Decision],
    styles: Mapping[str, Look],
    curve: Sequence[SearchEpoch],
    arch: Architecture | None,
    *,
    rest: bool,
) -> Figure:
    spots = _spots(decisions)
    rows, columns = (max(spot[axis] for spot in spots) + 1 for axis in (0, 1))
    figure = new_figure(PANEL_HEIGHT * rows + 0.45)
    grid = figure.subplots(rows, max(columns, LEAST_COLUMNS), squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel():
        axes.set_visible(False)
    for decision, spot in zip(decisions, spots, strict=True):
        _panel(grid[spot], decision, styles, curve, arch, rest=rest)
        _outer_labels(grid[spot], spot, spots)
    grid[spots[0]].set_ylim(0, 1.05 * _highest(decisions, curve, rest=rest))  # shared by all panels
    free = min((row for row, column in spots if column == grid.shape[1] - 1), default=rows)
    _legend(figure, styles, rest, corner=free * PANEL_HEIGHT)
    return figure


def _lowest_sum(decisions: Sequence[Decision], curve: Sequence[SearchEpoch]) -> float:
    """The least that the options of a decision have together; the rest belongs to `none`."""
    return min(sum(e.probabilities[d.name]) for d in decisions for e in curve if d.name in e.probabilities)


def _highest(decisions: Sequence[Decision], curve: Sequence[SearchEpoch], *, rest: bool) -> float:
    """The highest probability of these decisions, that of `none` included where there is a `rest`."""
    rows = [e.probabilities[d.name] for d in decisions for e in curve if d.name in e.probabilities]
    return max(max(*row, 1 - sum(row) if rest else 0.0) for row in rows)


def _spots(decisions: Sequence[Decision]) -> list[Spot]:
    """(row, column) of each panel: a row per target node where that fits, otherwise in reading order."""
    edges = [edge_of(decision.name) for decision in decisions]
    pairs = [edge for edge in edges if edge is not None]
    if len(pairs) == len(decisions) and max(source for source, _ in pairs) <= PER_ROW:
        first = min(target for _, target in pairs)
        return [(target - first, source) for source, target in pairs]
    return [divmod(i, PER_ROW) for i in range(len(decisions))]


def _panel(
    axes: Axes,
    decision: Decision,
    styles: Mapping[str, Look],
    curve: Sequence[SearchEpoch],
    arch: Architecture | None,
    *,
    rest: bool,
) -> None:
    axes.set_visible(True)
    value = None if arch is None else arch.get(decision.name)
    chosen = [] if value is None else [str(option) for option in members(value)]
    epochs = [e.epoch for e in curve if decision.name in e.probabilities]
    rows = [e.probabilities[decision.name] for e in curve if decision.name in e.probabilities]
    marker = "o" if len(epochs) == 1 else ""
    for i, option in enumerate(map(str, decision.options)):
        (color, dash), heavy = styles[option], option in chosen
        (line,) = axes.plot(epochs, [row[i] for row in rows], color=color, linestyle=dash, marker=marker)
        line.set(linewidth=2.4 if heavy else 1.2, zorder=3 if heavy else 2, markersize=3)
        line.set_alpha(1.0 if arch is None or chosen else 0.45)
    left = [1 - sum(row) for row in rows]
    if rest and max(left) > 0.001:
        axes.plot(epochs, left, color=FAINT, linestyle=":", linewidth=1.4, marker=marker, markersize=3)
    plain(axes)
    axes.tick_params(labelsize=8)
    whole_numbers(axes, epochs, most=4)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    _title(axes, decision.name, chosen)


def _title(axes: Axes, decision: str, chosen: Sequence[str]) -> None:
    """The edge, or the decision's name, and what was chosen."""
    edge = edge_of(decision)
    name = decision if edge is None else f"{edge[0]} → {edge[1]}"
    words = f"{name}: {' + '.join(map(readable, chosen))}" if chosen else name
    axes.set_title(
        words,
        loc="left",
        fontsize=8.5,
        color=INK if chosen else GREY,
        parse_math=False,
        pad=4,
        fontweight="bold" if chosen else "normal",
    )


def looks(options: Sequence[str]) -> dict[str, Look]:
    """Colour and dash of each option: the colours of the drawings where they are free, then any other.

    More options than colours are told apart by dashes.
    """
    found: dict[str, Look] = {}
    for option in options:
        wished = [*SHADES.get(family(option), ()), *COLORS]
        free = ((color, dash) for dash in DASHES for color in wished if (color, dash) not in found.values())
        found[option] = (FAINT, "-") if option in NOTHING else next(free, (INK, "-"))
    return found


def _outer_labels(axes: Axes, spot: Spot, spots: Sequence[Spot]) -> None:
    """Epochs below the lowest panel of a column only, probabilities left of the first of a row only."""
    lowest = (spot[0] + 1, spot[1]) not in spots
    axes.tick_params(labelbottom=lowest, labelleft=spot[1] == 0)
    if lowest:
        axes.set_xlabel("epoch", fontsize=8.5, color=GREY, labelpad=1)
    if spot[1] == 0:
        axes.set_ylabel("probability", fontsize=8.5, color=GREY)


def _legend(figure: Figure, styles: Mapping[str, Look], rest: bool, *, corner: float) -> None:
    """In the top right corner if it is free for long enough (`corner`, in inches), otherwise below."""
    handles = [
        Line2D([], [], color=color, linestyle=dash, linewidth=2, label=readable(option))
        for option, (color, dash) in styles.items()
    ]
    if rest:
        handles.append(Line2D([], [], color=FAINT, linestyle=":", linewidth=1.6, label=NOTHING[0]))
    height = float(figure.get_size_inches()[1])
    bottom = 0.42
    if corner > 0.2 + 0.19 * len(handles):
        figure.legend(
            handles=handles,
            loc="upper right",
            bbox_to_anchor=(0.99, 1),
            fontsize=9,
            frameon=False,
            labelcolor=INK,
        )
    else:
        columns = min(len(handles), 7)
        bottom += 0.22 * -(-len(handles) // columns)
        figure.legend(
            handles=handles, loc="lower center", ncols=columns, fontsize=9, frameon=False, labelcolor=INK
        )
    figure.subplots_adjust(
        left=0.55 / WIDTH, right=0.99, bottom=bottom / height, top=1 - 0.25 / height, wspace=0.16, hspace=0.55
    )
