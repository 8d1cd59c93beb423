"""A cell of two inputs, four nodes and six operations on all 14 edges: 6¹⁴ = 78,364,164,096 cells.

It is sometimes described as NAS-Bench-201 (Dong & Yang 2020, https://arxiv.org/abs/2001.00326), whose cell
has one input, three nodes and five operations. What is here has no paper of its own: a node is the sum of an
edge from each input and each node before it, the cell's output is the mean of the four nodes, and cells are
stacked like NAS-Bench-201's, N at each of three widths with its residual reductions between. The inputs of a
cell are the outputs of the two cells before it in its stage; the first cell of a stage takes what comes into
the stage twice, the second what comes in and the first's output.
"""

from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.ops import OPS
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, input_labels
from nasturtium.spaces.base import require_image, space
from nasturtium.spaces.cell_strings import read_cell, write_cell
from nasturtium.spaces.nasbench201 import TopologyNetwork

INPUTS, NODES = 2, 4
NAMES = ("none", "skip_connect", "conv_1x1", "conv_3x3", "avg_pool_3x3", "max_pool_3x3")
PRIMITIVES = {name: OPS.get(name) for name in NAMES}


class Stage(nn.Module):
    """`cells` cells of one width."""

    def __init__(self, channels: int, cells: int) -> None:
        super().__init__()
        self.cells = nn.ModuleList(
            Cell("cell", PRIMITIVES, channels, NODES, k=None, inputs=INPUTS, output="mean")
            for _ in range(cells)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input."""
        x = y = x_BCHW
        for cell in self.cells:
            x, y = y, cell([x, y])
        return y


@space(
    "two-input-cell",
    summary="one cell of 2 inputs and 4 nodes, 6 operations on all 14 edges",
    paper="https://arxiv.org/abs/2001.00326",
    small={"channels": 4, "cells": 1},
)
def two_input_cell(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 16, cells: int = 5
) -> Blueprint:
    """The sizes are those of NAS-Bench-201. Raises `UsageError` for images under 8×8."""
    require_image("two-input-cell", input_shape)
    return Blueprint(
        lambda: TopologyNetwork(input_shape[0], classes, channels, lambda width: [Stage(width, cells)]),
        notation=to_string,
        graphs=lambda arch: [_graph(arch)],
    )


def _nodes() -> range:
    return range(INPUTS, INPUTS + NODES)


def _graph(arch: Architecture) -> CellGraph:
    return CellGraph(
        name="cell",
        inputs=INPUTS,
        nodes=(*input_labels(INPUTS), *map(str, _nodes())),
        edges=tuple((j, node, str(arch[f"cell/{node}<-{j}"])) for node in _nodes() for j in range(node)),
        output=tuple(_nodes()),
        join="mean",
        identity=("skip_connect",),
        keeps_size=True,
    )


def to_string(arch: Architecture) -> str:
    """The cell in the manner of NAS-Bench-201, node by node: `|op~0|op~1|+|op~0|op~1|op~2|+…`."""
    return write_cell(arch, _nodes())


def from_string(text: str) -> Architecture:
    """The architecture that `to_string` wrote; raises `UsageError` naming the part that is wrong."""
    return read_cell(text, _nodes(), NAMES, "the two-input cell")
