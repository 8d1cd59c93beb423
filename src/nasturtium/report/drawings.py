"""Draws a cell: inputs left, nodes in columns, output right, and on every edge its operation."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from nasturtium.report.arrange import FONT, JOIN, Drawing, Line, arrange
from nasturtium.report.layers import Key
from nasturtium.report.style import FAINT, FAMILIES, GREY, INK, WIDTH, Dash, family, new_figure
from nasturtium.space.cell_graph import NOTHING, CellGraph

MARGIN = 0.15
HEAD = 0.1
LEGEND_ROW = 0.24
LEGEND_COLUMNS = 5
JOINS = {"concat": "joined to the output", "sum": "added to the output", "mean": "averaged to the output"}


def cell_figure(graph: CellGraph) -> Figure:
    """The cell as a figure of at least 9 inches width, with a legend of the kinds of operations in it."""
    drawing, legend = arrange(graph), _legend(graph)
    rows = math.ceil(len(legend) / LEGEND_COLUMNS)
    right = max(p.x + p.width / 2 for p in drawing.places.values())
    low = max(p.y + p.height / 2 for p in drawing.places.values())
    width, height = max(WIDTH, right + 2 * MARGIN), low + 2 * MARGIN + LEGEND_ROW * rows + 0.1
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
    figure.legend(
        handles=legend,
        loc="lower center",
        ncols=math.ceil(len(legend) / rows),
        frameon=False,
        fontsize=9,
        labelcolor=GREY,
        columnspacing=1.4,
        borderaxespad=0.3,
    )
    return figure


def _paint_line(axes: Axes, line: Line, drawing: Drawing) -> None:
    axes.add_patch(
        PathPatch(
            line_path(line, drawing),
            edgecolor=line.color,
            facecolor="none",
            linewidth=1.7 if line.live else 1.2,
            linestyle=_dash(line.dashed),
            capstyle="butt",
        )
    )
    end = drawing.places[line.keys[-1]]
    tip = end.x - end.width / 2
    head = [(tip, end.y), (tip - HEAD, end.y - 0.45 * HEAD), (tip - HEAD, end.y + 0.45 * HEAD)]
    axes.add_patch(Polygon(head, color=line.color, linewidth=0, zorder=2))


def line_path(line: Line, drawing: Drawing) -> Path:
    """Level through the columns, curved in the gaps between them, so that it meets only boxes of its own."""
    half = _half_columns(drawing)
    points: list[tuple[float, float]] = []
    codes: list[np.uint8] = []
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
    axes.text(
        at.x,
        at.y,
        drawing.labels[key],
        ha="center",
        va="center_baseline",
        fontsize=FONT + 1.5 * (not is_op),
        color=text,
        fontweight=weight,
        zorder=4,
        parse_math=False,
    )


def _legend(graph: CellGraph) -> list[Line2D]:
    ops = [*(op for _, _, op in graph.edges), *graph.ops]
    kinds = {family(op) for op in ops if op and op not in NOTHING}
    handles = [
        Line2D([], [], color=color, linewidth=2, label=kind, linestyle=_dash(kind == "skip connection"))
        for kind, color in FAMILIES.items()
        if kind in kinds
    ]
    words = JOINS[graph.join] if len(graph.output) > 1 else "the output"
    return [*handles, Line2D([], [], color=JOIN, linewidth=1.2, label=words)]


def _dash(dashed: bool) -> Dash:
    return (0, (4, 2)) if dashed else "-"
