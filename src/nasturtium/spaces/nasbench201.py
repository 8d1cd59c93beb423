"""The NAS-Bench-201 topology space (Dong & Yang 2020, https://arxiv.org/abs/2001.00326).

One cell of 4 nodes and 6 edges with 5 operations, repeated N times at each of three widths; a node is the sum
of its edges and the cell's output is its last node. 15,625 cells, of which 6,466 compute different functions.
"""

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.ops import OPS, ReLUConvBN
from nasturtium.modules.shortcut import Residual
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import require_image, space
from nasturtium.spaces.cell_strings import read_cell, write_cell
from nasturtium.tables.nasbench201 import NAMES, NODES, to_graphs

PRIMITIVES = {name: OPS.get(name) for name in NAMES}
RESNET = "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|none~1|skip_connect~2|"
"""The residual block among the cells, `ResNet_CODE` in the authors' code."""


class TopologyCell(nn.Module):
    """The searched cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cell = Cell("cell", PRIMITIVES, channels, nodes=3, k=None, inputs=1, output="last")

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input."""
        return self.cell([x_BCHW])


class ResidualReduction(Residual):
    """The fixed block between two widths, B×in×H×W → B×out×⌈H/2⌉×⌈W/2⌉."""

    def __init__(self, in_: int, out: int) -> None:
        super().__init__(
            nn.Sequential(ReLUConvBN(in_, out, 3, 2), ReLUConvBN(out, out, 3)),
            # rounding up keeps odd sizes in step with the strided convolution
            nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), nn.Conv2d(in_, out, 1, bias=False)),
        )


class TopologyNetwork(nn.Sequential):
    """Stem, three stages with reductions between them, classifier; `stage(width)` makes what a stage runs."""

    def __init__(
        self, in_: int, classes: int, channels: int, stage: Callable[[int], Iterable[nn.Module]]
    ) -> None:
        stem = nn.Sequential(nn.Conv2d(in_, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        stages: list[nn.Module] = []
        for width in (channels, 2 * channels, 4 * channels):
            if stages:
                stages.append(ResidualReduction(width // 2, width))
            stages += stage(width)
        head = (
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )
        super().__init__(stem, *stages, *head)


@space(
    "nasbench201",
    summary="one cell of 6 edges with 5 operations, 15,625 cells",
    paper="https://arxiv.org/abs/2001.00326",
    small={"channels": 4, "cells": 1},
)
def nasbench201(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 16, cells: int = 5
) -> Blueprint:
    """The published sizes are 16 channels and 5 cells a stage. Raises `UsageError` for images under 8×8."""
    require_image("nasbench201", input_shape)
    return Blueprint(
        lambda: TopologyNetwork(
            input_shape[0], classes, channels, lambda width: (TopologyCell(width) for _ in range(cells))
        ),
        notation=to_string,
        graphs=to_graphs,
        points={"ResNet": from_string(RESNET)},
    )


def to_string(arch: Architecture) -> str:
    """The benchmark's own notation, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
    return write_cell(arch, NODES)


def from_string(text: str) -> Architecture:
    """The architecture of a string in the benchmark's notation.

    Raises `UsageError` naming the part that is wrong.
    """
    return read_cell(text, NODES, NAMES, "NAS-Bench-201")
