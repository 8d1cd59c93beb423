"""Draws a cell: inputs left, nodes in columns, output right, every operation in a box of its own on its edge."""

from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path

from nasturtium.report.layers import Box, Key, Link, Place, place
from nasturtium.report.style import FAINT, FAMILIES, GREY, INK, NOTHING, WIDTH, family, new_figure, readable
from nasturtium.space.cell_graph import CellGraph

FONT = 10.0
MARGIN = 0.15
LEGEND = 0.34
JOIN = "#9aa3ad"
NAMES = {"c_{k-2}": "cₖ₋₂", "c_{k-1}": "cₖ₋₁"}


@dataclass(frozen=True)
class Line:
    """A line through boxes that it touches in order, in a colour; `live` if it carries the input on."""

    keys: tuple[Key, ...]
    color: str
    live: bool
    dashed: bool = False


@dataclass(frozen=True)
class Drawing:
    """A cell ready to be painted: what is written in each box, where it is, and the lines between."""

    places: dict[Key, Place]
    labels: dict[Key, str]
    colors: dict[Key, str]
    lines: tuple[Line, ...]


def cell_figure(graph: CellGraph) -> Figure:
    """The cell as a figure of at least 9 inches width, with a legend of the kinds of operations in it."""
    drawing = arrange(graph)
    right = max(p.x + p.width / 2 for p in drawing.places.values())
    low = max(p.y + p.height / 2 for p in drawing.places.values())
    width, height = max(WIDTH, right + 2 * MARGIN), low + 2 * MARGIN + LEGEND
    figure = new_figure(height, width)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    start = (width - right) / 2
    axes.set_xlim(-start, width - start)
    axes.set_ylim(height - MARGIN, -MARGIN)
    for line in drawing.lines:
        _paint_line(axes, line, drawing)
    for key in drawing.labels:
        _paint_box(axes, key, drawing)
    _legend(figure, graph)
    return figure


def nothing_edges(graph: CellGraph) -> tuple[str, ...]:
    """The edges that carry nothing (`none`) and are therefore not drawn, as `1 → 3`."""
    names = [NAMES.get(name, name) for name in graph.nodes]
    return tuple(f"{names[s]} → {names[t]}" for s, t, op in graph.edges if op in NOTHING)


def faded(graph: CellGraph) -> bool:
    """Whether some of the cell is drawn faded because it carries nothing from the input to the output."""
    return len(_live(graph)) < len(graph.nodes)


def arrange(graph: CellGraph) -> Drawing:
    """Where everything goes, in inches from the top left corner."""
    edges = [edge for edge in graph.edges if edge[2] not in NOTHING]
    depth, live = _depths(graph), _live(graph)
    boxes: dict[Key, Box] = {}
    labels: dict[Key, str] = {}
    colors: dict[Key, str] = {}
    links: list[Link] = []
    lines: list[Line] = []
    for i, name in enumerate(graph.nodes):
        key: Key = ("state", i)
        labels[key] = NAMES.get(name, name)
        boxes[key] = Box(2 * depth[i], max(_text_width(labels[key]) + 0.28, 0.34), 0.34)
        colors[key] = INK if i in live else FAINT
    for n, (source, target, op) in enumerate(edges):
        key = ("op", n)
        labels[key] = readable(op)
        boxes[key] = Box(2 * depth[target] - 1, _text_width(labels[key]) + 0.2, 0.27)
        alive = source in live and target in live
        colors[key] = FAMILIES[family(op)] if alive else FAINT
        path = (*_through(("state", source), key, boxes, links), ("state", target))
        links.append((key, ("state", target)))
        lines.append(Line(path, colors[key], alive, family(op) == "skip connection"))
    labels["output"], colors["output"] = "output", INK
    boxes["output"] = Box(2 * max(depth) + 1, _text_width("output") + 0.28, 0.34)
    for i in _joined(graph):
        path = _through(("state", i), "output", boxes, links)
        lines.append(Line(path, JOIN, False))
    return Drawing(place(boxes, links, gap=0.11), labels, colors, tuple(lines))


def _joined(graph: CellGraph) -> range:
    """The nodes that make the output."""
    first = graph.inputs if graph.output == "concat" else len(graph.nodes) - 1
    return range(first, len(graph.nodes))


def _depths(graph: CellGraph) -> list[int]:
    """The column of each state: inputs 0, a node behind all that it uses."""
    depth = [0 if i < graph.inputs else 1 for i in range(len(graph.nodes))]
    for node in range(graph.inputs, len(graph.nodes)):
        used = [depth[s] for s, t, op in graph.edges if t == node and op not in NOTHING]
        depth[node] = 1 + max(used, default=0)
    return depth


def _live(graph: CellGraph) -> set[int]:
    """The states that something of the input reaches and that reach the output."""
    edges = [(s, t) for s, t, op in graph.edges if op not in NOTHING]
    reached = set(range(graph.inputs))
    for s, t in sorted(edges, key=lambda edge: edge[1]):
        reached |= {t} if s in reached else set()
    used = set(_joined(graph))
    for s, t in sorted(edges, key=lambda edge: -edge[1]):
        used |= {s} if t in used else set()
    return reached & used


def _through(start: Key, end: Key, boxes: dict[Key, Box], links: list[Link]) -> tuple[Key, ...]:
    """The way from one box to another, through a thin box in every column between them, which it adds."""
    path = [start]
    for column in range(boxes[start].column + 1, boxes[end].column):
        via: Key = ("via", start, end, column)
        boxes[via] = Box(column, 0.0, 0.1, pull=3.0)
        path.append(via)
    path.append(end)
    links.extend(zip(path[:-1], path[1:], strict=True))
    return tuple(path)


def _text_width(text: str) -> float:
    """In inches."""
    renderer = FigureCanvasAgg(Figure(dpi=72)).get_renderer()
    width, _, _ = renderer.get_text_width_height_descent(text, FontProperties(size=FONT), ismath=False)
    return float(width) / 72


# --- painting
def _paint_line(axes: Axes, line: Line, drawing: Drawing) -> None:
    style = {"edgecolor": line.color, "facecolor": "none", "linewidth": 1.7 if line.live else 1.2}
    axes.add_patch(
        PathPatch(
            line_path(line, drawing), linestyle=(0, (4, 2)) if line.dashed else "-", capstyle="butt", **style
        )
    )
    end = drawing.places[line.keys[-1]]
    axes.annotate(
        "",
        xy=(end.x - end.width / 2, end.y),
        xytext=(end.x - end.width / 2 - 0.1, end.y),
        arrowprops={"arrowstyle": "-|>", "color": line.color, "linewidth": 0, "mutation_scale": 13,
                    "shrinkA": 0, "shrinkB": 0},
    )


def line_path(line: Line, drawing: Drawing) -> Path:
    """Level through the columns, curved in the gaps between them, so that it meets only boxes of its own."""
    half = _half_columns(drawing)
    points: list[tuple[float, float]] = []
    codes: list[int] = []
    for number, key in enumerate(line.keys):
        at = drawing.places[key]
        reach = half[at.x] if at.width == 0 else at.width / 2
        outer = half[at.x]
        if number:
            start = points[-1]
            entry = (at.x - outer, at.y)
            middle = (start[0] + entry[0]) / 2
            points += [(middle, start[1]), (middle, entry[1]), entry, (at.x - reach, at.y)]
            codes += [Path.CURVE4, Path.CURVE4, Path.CURVE4, Path.LINETO]
        if number < len(line.keys) - 1:
            points += [(at.x + reach, at.y), (at.x + outer, at.y)]
            codes += [Path.LINETO if number and at.width == 0 else Path.MOVETO, Path.LINETO]
    return Path(points, codes)


def _half_columns(drawing: Drawing) -> dict[float, float]:
    """Half of each column's width, by the x of its centre."""
    half: dict[float, float] = {}
    for at in drawing.places.values():
        half[at.x] = max(half.get(at.x, 0.0), at.width / 2)
    return half


def _paint_box(axes: Axes, key: Key, drawing: Drawing) -> None:
    at, color = drawing.places[key], drawing.colors[key]
    is_op = isinstance(key, tuple) and key[0] == "op"
    axes.add_patch(
        FancyBboxPatch(
            (at.x - at.width / 2, at.y - at.height / 2),
            at.width,
            at.height,
            boxstyle=f"round,pad=0,rounding_size={at.height / 2 if is_op else 0.07}",
            facecolor="white" if is_op or color == FAINT else "#e8ecf1",
            edgecolor=color,
            linewidth=1.3,
            zorder=3,
        )
    )
    text = GREY if color == FAINT else INK
    weight = "normal" if is_op else "bold"
    axes.text(at.x, at.y, drawing.labels[key], ha="center", va="center_baseline", fontsize=FONT + 1.5 * (not is_op), color=text,
              fontweight=weight, zorder=4, parse_math=False)


def _legend(figure: Figure, graph: CellGraph) -> None:
    kinds = dict.fromkeys(family(op) for _, _, op in graph.edges if op not in NOTHING)
    handles = [
        Line2D([], [], color=FAMILIES[kind], linewidth=2, label=kind,
               linestyle=(0, (4, 2)) if kind == "skip connection" else "-")
        for kind in _in_order(kinds)
    ]
    handles.append(Line2D([], [], color=JOIN, linewidth=1.2, label=_output_words(graph)))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9,
                  labelcolor=GREY, handlelength=2.2, columnspacing=1.6, borderaxespad=0.3)


def _in_order(kinds: Iterable[str]) -> list[str]:
    present = set(kinds)
    return [kind for kind in FAMILIES if kind in present]


def _output_words(graph: CellGraph) -> str:
    return "joined to the output" if graph.output == "concat" else "the last node is the output"
