"""How the probabilities of a gradient search moved: a small panel for each decision, laid out like the cell."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nasturtium.report.data import SearchEpoch
from nasturtium.report.style import (
    BLUE, BROWN, FAINT, GREEN, GREY, INK, NOTHING, ORANGE, PINK, RED, SKY, WIDTH, Picture,
    new_figure, picture, plain, readable, slug,
)
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_of, edge_of
from nasturtium.space.decision import Decision, members
from nasturtium.space.search_space import SearchSpace

COLORS = (GREEN, PINK, GREY, BLUE, SKY, RED, ORANGE, BROWN)
PER_ROW = 5
PANEL_HEIGHT = 1.3
Spot = tuple[int, int]
NOTE = (
    "Each panel is one decision; each line is the probability that the search gave to one option, epoch by epoch. "
    "A dark title names what was chosen in the end; a pale panel is an edge that the found cell does not use. "
)
REST = "Probabilities of a panel add up to one together with the dotted line, which stands for no connection."


def probability_pictures(
    curve: Sequence[SearchEpoch], space: SearchSpace, arch: Architecture | None
) -> tuple[Picture, ...]:
    """One picture for the edges of each cell, one for the inputs its nodes choose, one for each other group."""
    known = [name for name in space.decisions if any(name in epoch.probabilities for epoch in curve)]
    groups: dict[tuple[str, str], list[str]] = {}
    for name in known:
        groups.setdefault(_group(name, space), []).append(name)
    return tuple(
        _picture(i, cell, kind, [space.decisions[name] for name in names], curve, arch)
        for i, ((cell, kind), names) in enumerate(groups.items(), start=1)
    )


def _group(name: str, space: SearchSpace) -> tuple[str, str]:
    cell = cell_of(name, space)
    if cell is None:
        return "", ", ".join(map(str, space.decisions[name].options))
    return cell, "inputs" if edge_of(name) is None else "edges"


def _picture(
    number: int, cell: str, kind: str, decisions: Sequence[Decision], curve: Sequence[SearchEpoch],
    arch: Architecture | None,
) -> Picture:
    spots = _spots(decisions)
    rows, columns = (max(spot[axis] for spot in spots) + 1 for axis in (0, 1))
    options = list(dict.fromkeys(str(option) for decision in decisions for option in decision.options))
    figure = new_figure(PANEL_HEIGHT * rows + 0.45)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.ravel():
        axes.set_visible(False)
    for decision, spot in zip(decisions, spots, strict=True):
        _panel(grid[spot], decision, options, curve, arch)
    for spot in spots:
        _outer_labels(grid, spot, spots)
    rest = any(sum(p) < 0.999 for e in curve for n, p in e.probabilities.items() if n in {d.name for d in decisions})
    _legend(figure, options, rest, triangular=spots[0] == (0, 0) and (0, columns - 1) not in spots)
    title = {"edges": f"Operations of cell “{cell}”", "inputs": f"Inputs of cell “{cell}”"}.get(
        kind if cell else "", "Other decisions"
    )
    alt = f"{len(decisions)} panels of probabilities over {len(curve)} epochs."
    name = f"probabilities-{number}-{slug(cell or 'others')}"
    return picture(figure, name, title, alt=alt, note=NOTE + (REST if rest else ""))


def _spots(decisions: Sequence[Decision]) -> list[Spot]:
    """(row, column) of each panel: a row per target node where that fits, otherwise in reading order."""
    edges = [edge_of(decision.name) for decision in decisions]
    pairs = [edge for edge in edges if edge is not None]
    if len(pairs) == len(decisions) and max(source for source, _ in pairs) <= PER_ROW:
        first = min(target for _, target in pairs)
        return [(target - first, source) for source, target in pairs]
    return [divmod(i, PER_ROW) for i in range(len(decisions))]


def _panel(
    axes: Axes, decision: Decision, options: Sequence[str], curve: Sequence[SearchEpoch], arch: Architecture | None
) -> None:
    axes.set_visible(True)
    value = None if arch is None else arch.get(decision.name)
    chosen = set() if value is None else set(map(str, members(value)))
    epochs = [e.epoch for e in curve if decision.name in e.probabilities]
    rows = [e.probabilities[decision.name] for e in curve if decision.name in e.probabilities]
    marker = "o" if len(epochs) == 1 else ""
    for i, option in enumerate(map(str, decision.options)):
        heavy = option in chosen
        color, dash = look(options.index(option))
        axes.plot(epochs, [row[i] for row in rows], color=color, linestyle=dash, linewidth=2.4 if heavy else 1.2,
                  alpha=1.0 if arch is None or chosen else 0.45, marker=marker, markersize=3, zorder=3 if heavy else 2)
    rest = [1 - sum(row) for row in rows]
    if max(rest) > 0.001:
        axes.plot(epochs, rest, color=FAINT, linestyle=":", linewidth=1.4)
    plain(axes)
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.set_ylim(bottom=0)
    words = " + ".join(readable(option) for option in map(str, decision.options) if option in chosen)
    title = _name(decision.name) + (f": {words}" if words else "")
    axes.set_title(title, loc="left", fontsize=8.5, fontweight="bold" if words else "normal",
                   color=INK if words else GREY, parse_math=False, pad=4)


def look(number: int) -> tuple[str, str | tuple[float, tuple[float, ...]]]:
    """Colour and dash of the option with this number; dashes set options of the same colour apart."""
    dashes: tuple[str | tuple[float, tuple[float, ...]], ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
    return COLORS[number % len(COLORS)], dashes[number // len(COLORS) % len(dashes)]


def _name(decision: str) -> str:
    edge = edge_of(decision)
    if edge is None:
        return decision
    return f"{edge[0]} → {edge[1]}"


def _outer_labels(grid: Mapping[Spot, Axes], spot: Spot, spots: Sequence[Spot]) -> None:
    """Epochs below the lowest panel of a column only, probabilities left of the first of a row only."""
    axes = grid[spot]
    lowest = (spot[0] + 1, spot[1]) not in spots
    axes.tick_params(labelbottom=lowest, labelleft=spot[1] == 0)
    if lowest:
        axes.set_xlabel("epoch", fontsize=8.5, color=GREY, labelpad=1)
    if spot[1] == 0:
        axes.set_ylabel("probability", fontsize=8.5, color=GREY)


def _legend(figure: Figure, options: Sequence[str], rest: bool, *, triangular: bool) -> None:
    """In the empty corner above the diagonal if there is one, otherwise below the panels."""
    handles = [Line2D([], [], color=look(i)[0], linestyle=look(i)[1], linewidth=2, label=readable(option))
               for i, option in enumerate(options)]
    if rest:
        handles.append(Line2D([], [], color=FAINT, linestyle=":", linewidth=1.6, label=NOTHING[0]))
    height = float(figure.get_size_inches()[1])
    bottom, top, left = 0.42 / height, 1 - 0.25 / height, 0.55 / WIDTH
    if triangular:
        figure.legend(handles=handles, loc="upper right", frameon=False, fontsize=9, labelcolor=INK,
                      bbox_to_anchor=(0.99, 0.995))
    else:
        columns = min(len(handles), 7)
        bottom += 0.24 * -(-len(handles) // columns) / height
        figure.legend(handles=handles, loc="lower center", ncols=columns, frameon=False, fontsize=9, labelcolor=INK)
    figure.subplots_adjust(left=left, right=0.99, bottom=bottom, top=top, wspace=0.16, hspace=0.55)
