"""The NAS-Bench-101 space (Ying et al. 2019, https://arxiv.org/abs/1902.09635).

A cell of at most 7 vertices and 9 edges with one of 3 operations at each inner vertex, in 3 stacks of 3
cells; 423,624 cells compute different things. We always decide on 7 vertices and all their edges, and drop
vertices that are on no way from the input to the output, as the authors do; smaller cells are those with
vertices that are not used. Our BatchNorms have PyTorch's momentum, and weights its usual first values.
"""

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.vertex_cell import VertexCell, conv_bn_relu
from nasturtium.modules.dims import Size
from nasturtium.spaces.base import require_image, space
from nasturtium.tables.nasbench101 import CELL, CONSTRAINTS, OPS, VERTICES, Spec, from_spec, graph, to_spec

LEAST_CHANNELS = VERTICES - 2  # all inner vertices may have to share them


def conv3x3(width: Size) -> nn.Module:
    """3×3 convolution, BatchNorm, ReLU."""
    return conv_bn_relu(width, width, 3)


def conv1x1(width: Size) -> nn.Module:
    """1×1 convolution, BatchNorm, ReLU."""
    return conv_bn_relu(width, width, 1)


def maxpool3x3(width: Size) -> nn.Module:
    """The largest of 3×3 pixels."""
    return nn.MaxPool2d(3, 1, padding=1)


MAKERS = dict(zip(OPS, (conv3x3, conv1x1, maxpool3x3), strict=True))


class ModuleNetwork(nn.Sequential):
    """Stem, stacks of cells with pooling between them, classifier; each stack doubles the channels."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, channels: int, stacks: int, cells: int
    ) -> None:
        parts: list[nn.Module] = [conv_bn_relu(input_shape[0], channels, 3)]
        previous = channels
        for stack in range(stacks):
            if stack:
                parts.append(nn.MaxPool2d(2, ceil_mode=True))
            for _ in range(cells):
                parts.append(VertexCell(CELL, MAKERS, previous, channels * 2**stack, VERTICES))
                previous = channels * 2**stack
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(previous, classes))


@space(
    "nasbench101",
    summary="one cell of up to 7 vertices and 9 edges with 3 operations, 423,624 different cells",
    paper="https://arxiv.org/abs/1902.09635",
    small={"channels": 5, "stacks": 2, "cells": 1},
)
def nasbench101(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 128, stacks: int = 3, cells: int = 3
) -> Blueprint:
    """The published sizes are 128 channels and 3 stacks of 3 cells.

    Raises `UsageError` for images under 8×8 or fewer than 5 channels.
    """
    require_image("nasbench101", input_shape)
    if channels < LEAST_CHANNELS:
        raise UsageError(f"space 'nasbench101' needs at least {LEAST_CHANNELS} channels, got {channels}")
    return Blueprint(
        lambda: ModuleNetwork(input_shape, classes, channels=channels, stacks=stacks, cells=cells),
        constraints=CONSTRAINTS,
        notation=lambda arch: repr(to_spec(arch)),
        graphs=lambda arch: (graph(arch),),
        points={"Inception-like cell": from_spec(*INCEPTION)},
    )


INCEPTION = Spec(
    matrix=[
        [0, 1, 1, 1, 0, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 1],
        [0, 0, 0, 0, 0, 0, 0],
    ],
    ops=["input", OPS[1], OPS[0], OPS[0], OPS[0], OPS[2], "output"],
)
"""The Inception-like cell of the paper, as the benchmark's README writes it."""
