"""Draws the decisions of an architecture as a table: a row for each place, a column for each thing decided.

A name such as `stage2/block1/kernel` belongs to the row `stage2/block1` and the column `kernel`. The darker a
box, the later the value stands among the options of an ordered decision; what is switched off is left blank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from nasturtium.report.style import BLUE, FAINT, GREY, INK, new_figure, readable
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value, members

ROW, LETTER, GAP, MARGIN = 0.27, 0.078, 0.12, 0.15  # inches
FONT = 9.0
WHOLE = "network"  # the row of names without a place
LONGEST = 40  # letters of a value that are shown


@dataclass(frozen=True)
class Box:
    """A value in the table; `level` is its place among the options, 0–1, or None where they have no order."""

    text: str
    level: float | None


@dataclass(frozen=True)
class Table:
    """Boxes by (row, column), rows and columns in the order of the decisions."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    boxes: Mapping[tuple[str, str], Box | None]


def decision_table(arch: Architecture, decisions: Sequence[Decision]) -> Table:
    """The table of `decisions` with the values of `arch`; None stands where a decision is switched off."""
    boxes = {place_of(d.name): _box(d, arch[d.name]) if d.name in arch else None for d in decisions}
    rows, columns = (tuple(dict.fromkeys(place[i] for place in boxes)) for i in (0, 1))
    return Table(rows, columns, boxes)


def table_figure(table: Table) -> Figure:
    """The table as a figure as wide as it needs to be."""
    head = max(len(row) for row in table.rows) * LETTER + GAP
    widths = [_width(table, column) for column in table.columns]
    width = head + sum(widths) + 2 * MARGIN
    height = ROW * (len(table.rows) + 1) + 2 * MARGIN
    figure = new_figure(height, width)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    left = MARGIN + head
    for y, row in enumerate(table.rows, start=1):
        off = all(table.boxes.get((row, column)) is None for column in table.columns)
        _write(axes, MARGIN, _middle(y), row, FAINT if off else INK)
    for column, wide in zip(table.columns, widths, strict=True):
        _write(axes, left, _middle(0), readable(column), GREY)
        for y, row in enumerate(table.rows, start=1):
            box = table.boxes.get((row, column))
            if box is not None:
                _paint(axes, left, y, wide - GAP, box)
        left += wide
    return figure


def place_of(name: str) -> tuple[str, str]:
    """The row and the column of a decision."""
    row, _, column = name.rpartition("/")
    return row or WHOLE, column


def _box(decision: Decision, value: Value) -> Box:
    words = ", ".join(readable(str(option)) for option in members(value))
    text = words if len(words) <= LONGEST else f"{words[: LONGEST - 1]}…"
    if not decision.ordered or len(decision.options) < 2:
        return Box(text, None)
    at = decision.options.index(members(value)[0])
    return Box(text, at / (len(decision.options) - 1))


def _width(table: Table, column: str) -> float:
    texts = [readable(column), *(b.text for (_, c), b in table.boxes.items() if c == column and b)]
    return max(map(len, texts)) * LETTER + 2 * GAP


def _middle(row: int) -> float:
    return MARGIN + ROW * (row + 0.5)


def _write(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    axes.text(x, y, text, fontsize=FONT, color=color, va="center_baseline", parse_math=False)


def _paint(axes: Axes, x: float, row: int, width: float, box: Box) -> None:
    level = 0.0 if box.level is None else 0.12 + 0.6 * box.level
    y = _middle(row)
    shape = (x - 0.4 * GAP, y - 0.4 * ROW), width, 0.8 * ROW
    style = "round,pad=0,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch(*shape, boxstyle=style, facecolor=BLUE, alpha=level, linewidth=0))
    axes.add_patch(FancyBboxPatch(*shape, boxstyle=style, facecolor="none", edgecolor=FAINT, linewidth=0.8))
    _write(axes, x, y, box.text, "white" if level > 0.5 else INK)
