"""Where the parts of a drawn cell go: operations are boxes of their own, so that no line crosses a label."""

from dataclasses import dataclass

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from nasturtium.report.layers import Box, Key, Link, Place, place
from nasturtium.report.style import FAINT, FAMILIES, GREY, INK, family, readable
from nasturtium.space.cell_graph import NOTHING, CellGraph

FONT = 10.0
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


def arrange(graph: CellGraph) -> Drawing:
    """Where everything goes, in inches from the top left corner."""
    edges = [edge for edge in graph.edges if edge[2] not in NOTHING]
    depth, live = _depths(graph), _live(graph)
    boxes: dict[Key, Box] = {}
    labels: dict[Key, str] = {}
    colors: dict[Key, str] = {}
    links: list[Link] = []
    lines: list[Line] = []
    for i in range(len(graph.nodes)):
        key: Key = ("state", i)
        labels[key], color = _state(graph, i)
        boxes[key] = Box(2 * depth[i], max(_text_width(labels[key], bold=True) + 0.28, 0.34), 0.34)
        colors[key] = color if i in live else FAINT
    for n, (source, target, op) in enumerate(edges):
        alive = source in live and target in live
        if not op:
            path = _through(("state", source), ("state", target), boxes, links)
            lines.append(Line(path, GREY if alive else FAINT, alive))
            continue
        key = ("op", n)
        labels[key] = readable(op)
        boxes[key] = Box(2 * depth[target] - 1, _text_width(labels[key]) + 0.2, 0.27)
        colors[key] = FAMILIES[family(op)] if alive else FAINT
        path = (*_through(("state", source), key, boxes, links), ("state", target))
        links.append((key, ("state", target)))
        lines.append(Line(path, colors[key], alive, family(op) == "skip connection"))
    labels["output"], colors["output"] = "output", INK
    boxes["output"] = Box(2 * max(depth) + 1, _text_width("output", bold=True) + 0.28, 0.34)
    for i in graph.output:
        path = _through(("state", i), "output", boxes, links)
        lines.append(Line(path, JOIN, False))
    return Drawing(place(boxes, links, gap=0.11), labels, colors, tuple(lines))


def _state(graph: CellGraph, i: int) -> tuple[str, str]:
    """What is written in the box of a state, and its colour."""
    name = NAMES.get(graph.nodes[i], graph.nodes[i])
    op = graph.ops[i] if graph.ops else ""
    if not op:
        return name, INK
    shown = readable(op)
    return (shown if name == shown else f"{name} · {shown}"), FAMILIES[family(op)]


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
    used = set(graph.output)
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


def _text_width(text: str, *, bold: bool = False) -> float:
    """In inches."""
    renderer = FigureCanvasAgg(Figure(dpi=72)).get_renderer()
    font = FontProperties(size=FONT + 1.5 * bold, weight="bold" if bold else "normal")
    width, _, _ = renderer.get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def nothing_edges(graph: CellGraph) -> tuple[str, ...]:
    """The edges that carry nothing (`none`) and are therefore not drawn, as `1 → 3`."""
    names = [NAMES.get(name, name) for name in graph.nodes]
    return tuple(f"{names[s]} → {names[t]}" for s, t, op in graph.edges if op in NOTHING)


def faded(graph: CellGraph) -> bool:
    """Whether some of the cell is drawn faded because it carries nothing from the input to the output."""
    return len(_live(graph)) < len(graph.nodes)
