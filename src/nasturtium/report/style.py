"""How all pictures of a report look: colours that colour-blind readers can tell apart, and plain axes.

The palette is that of Okabe & Ito 2008 (https://jfly.uni-koeln.de/color/).
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, BROWN = "#CC79A7", "#56B4E9", "#7A5C3E"
INK, GREY, FAINT = "#22272e", "#6b7480", "#c3c9d0"
COLORS = (BLUE, ORANGE, GREEN, RED, PINK, SKY, BROWN, GREY)  # of lines, one after the other
Dash = Literal["-", ":"] | tuple[float, tuple[float, ...]]
WIDTH = 9.0  # inches, shown 100 pixels wide each
DPI = 160

FAMILIES = {
    "separable convolution": BLUE,
    "dilated convolution": RED,
    "convolution": BLUE,
    "max pooling": GREEN,
    "average pooling": PINK,
    "skip connection": GREY,
    "activation": ORANGE,
    "other operation": BROWN,
}
ACTIVATIONS = ("relu", "relu6", "silu", "mish", "gelu", "hardswish", "tanh", "sigmoid")
SHORT = {"skip connect": "skip", "identity": "skip"}


@dataclass(frozen=True)
class Picture:
    """A drawn figure: `name` is its file's stem, `alt` says in words what it shows, `width` is in pixels."""

    name: str
    title: str
    alt: str
    note: str
    width: int
    png: bytes


def readable(op: str) -> str:
    """An operation's name as people write it: `sep_conv_3x3` becomes `sep conv 3×3`."""
    words = re.sub(r"(\d+)x(\d+)", r"\1×\2", op.replace("_", " "))
    words = re.sub(r"^nor (?=conv)", "", words)
    return SHORT.get(words, words)


def family(op: str) -> str:
    """The kind of an operation, by which drawings colour it."""
    if op.lower() in ACTIVATIONS:
        return "activation"
    for sign, name in {
        "sep": "separable convolution",
        "dil": "dilated convolution",
        "atrous": "dilated convolution",
        "max_pool": "max pooling",
        "avg_pool": "average pooling",
        "skip": "skip connection",
        "identity": "skip connection",
        "conv": "convolution",
    }.items():
        if sign in op.lower():
            return name
    return "other operation"


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of this size in inches, outside of pyplot's global list."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def plain(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Axes with two thin lines and quiet labels."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=GREY, labelsize=9, length=3, color=FAINT)
    axes.set_xlabel(x, color=GREY, fontsize=9.5)
    axes.set_ylabel(y, color=GREY, fontsize=9.5)
    if title:
        axes.set_title(title, loc="left", color=INK, fontsize=10.5, fontweight="bold", parse_math=False)


def whole_numbers(axes: Axes, x: Sequence[float], *, most: int = 8) -> None:
    """Marks only whole numbers on the x axis, which ends at those of `x`, even if there is just one."""
    margin = max(0.02 * (max(x) - min(x)), 0.5 if len(set(x)) == 1 else 0.0)
    axes.set_xlim(min(x) - margin, max(x) + margin)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=most, min_n_ticks=1))


def png(figure: Figure) -> bytes:
    """The figure as a PNG file, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def picture(figure: Figure, name: str, title: str, *, alt: str, note: str = "") -> Picture:
    """`figure` with what a page needs to show it."""
    width = round(100 * float(figure.get_size_inches()[0]))
    return Picture(name, title, alt, note, width, png(figure))


def slug(text: str) -> str:
    """`text` as a part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unnamed"
