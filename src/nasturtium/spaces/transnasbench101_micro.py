"""The cell space of TransNAS-Bench-101 (Duan et al. 2021, https://arxiv.org/abs/2105.11871).

One cell of 4 nodes and 6 edges with 4 operations, 4,096 cells, in five modules of two cells each; the first
cell of modules 1, 3 and 5 halves the image and doubles the channels. A node is the sum of its edges, the
output is the last one. The benchmark has seven tasks; this is the network for its classification tasks.
"""

import re
from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Node
from nasturtium.modules.edge import Edge
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import FactorizedReduce, ReLUConvBN, Zero
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import require_image, require_text, space

NODES = 4
MODULES = (2, 1, 2, 1, 2)  # by how much each widens and reduces
CELLS = 2  # in a module
PREFIX = "64-41414"  # channels after the stem, and the modules in the notation of the macro space


class WiderZero(nn.Module):
    """Outputs zeros of another width."""

    def __init__(self, out: int, stride: int) -> None:
        super().__init__()
        self.out, self.stride = out, stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Zeros B×out×⌈H/stride⌉×⌈W/stride⌉."""
        return (x_BCHW[:, :1, :: self.stride, :: self.stride] * 0.0).expand(-1, self.out, -1, -1)


def none(in_: int, out: int, stride: int) -> nn.Module:
    """No connection."""
    return Zero(stride) if in_ == out else WiderZero(out, stride)


def skip_connect(in_: int, out: int, stride: int) -> nn.Module:
    """The identity, or a factorised reduction."""
    return nn.Identity() if stride == 1 else FactorizedReduce(in_, out)


def nor_conv_1x1(in_: int, out: int, stride: int) -> nn.Module:
    """ReLU, 1×1 convolution, BatchNorm."""
    return ReLUConvBN(in_, out, 1, stride)


def nor_conv_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """ReLU, 3×3 convolution, BatchNorm."""
    return ReLUConvBN(in_, out, 3, stride)


def _same_width(op: Callable[[int, int, int], nn.Module], width: int, stride: int) -> nn.Module:
    return op(width, width, stride)


# in the order that the notation numbers them
OPS = {op.__name__: op for op in (none, skip_connect, nor_conv_1x1, nor_conv_3x3)}
NAMES = tuple(OPS)
EDGES = tuple(f"cell/{node}<-{source}" for node in range(1, NODES) for source in range(node))


class MicroCell(nn.Module):
    """The searched cell; edges from its input have the stride and the change of width."""

    def __init__(self, in_: int, out: int, stride: int) -> None:
        super().__init__()

        def edge(node: int, source: int) -> nn.Module:
            name = f"cell/{node}<-{source}"
            if source == 0 and in_ != out:  # an Edge keeps the width
                return OneOf(name, {option: partial(op, in_, out, stride) for option, op in OPS.items()})
            return Edge(name, {option: partial(_same_width, op) for option, op in OPS.items()}, out)

        self.nodes = nn.ModuleList(Node("cell", node, edge, None) for node in range(1, NODES))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×⌈H/stride⌉×⌈W/stride⌉."""
        states = [x_BCHW]
        for node in self.nodes:
            states.append(node(states))
        return states[-1]


def stem(in_: int, channels: int) -> nn.Sequential:
    """Two convolutions that quarter the image."""
    return nn.Sequential(
        nn.Conv2d(in_, channels // 2, 3, 2, 1, bias=False),
        nn.BatchNorm2d(channels // 2),
        ReLUConvBN(channels // 2, channels, 3, 2),
    )


class MicroNetwork(nn.Sequential):
    """Stem, five modules of cells, classifier."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int, channels: int) -> None:
        cells: list[nn.Module] = []
        width = channels
        for factor in MODULES:
            cells.append(MicroCell(width, factor * width, factor))
            width *= factor
            cells += [MicroCell(width, width, 1) for _ in range(CELLS - 1)]
        super().__init__(
            stem(input_shape[0], channels),
            *cells,
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )


@space(
    "transnasbench101-micro",
    summary="one cell of 6 edges with 4 operations, 4,096 cells",
    paper="https://arxiv.org/abs/2105.11871",
    shape=(3, 256, 256),
    classes=75,
    small={"channels": 4},
)
def transnasbench101_micro(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 64
) -> Blueprint:
    """The published size is 64 channels after the stem; data and classes are those of object classification.

    Raises `UsageError` for images under 8×8 or fewer than 2 channels.
    """
    require_image("transnasbench101-micro", input_shape)
    require_stem("transnasbench101-micro", channels)
    return Blueprint(lambda: MicroNetwork(input_shape, classes, channels), notation=to_string)


def require_stem(space: str, channels: int) -> None:
    """Raise `UsageError` for a stem without channels in its middle."""
    if channels < 2:
        raise UsageError(f"space {space!r} needs at least 2 channels, got {channels}")


def to_string(arch: Architecture) -> str:
    """The benchmark's own notation, `64-41414-1_02_333`: node by node, the operations from earlier nodes."""
    digits = [str(NAMES.index(str(arch[name]))) for name in EDGES]
    return f"{PREFIX}-{digits[0]}_{''.join(digits[1:3])}_{''.join(digits[3:])}"


def from_string(text: str) -> Architecture:
    """The architecture of a string in the benchmark's notation; raises `UsageError` naming the wrong part."""
    start, _, cell = require_text(text, f"{PREFIX}-1_02_333").rpartition("-")
    if start != PREFIX:
        raise UsageError(f"{text!r} must start with {PREFIX}-, as in {PREFIX}-1_02_333")
    nodes = cell.split("_")
    if len(nodes) != NODES - 1:
        raise UsageError(f"{text!r} has {len(nodes)} nodes; the cell has {NODES - 1}, as in 1_02_333")
    for node, part in enumerate(nodes, start=1):
        if len(part) != node:
            raise UsageError(f"node {node} reads {part!r}; expected {node} digits, one per earlier node")
        if wrong := re.search(r"[^0-3]", part):
            known = ", ".join(f"{i} {name}" for i, name in enumerate(NAMES))
            raise UsageError(f"edge 'cell/{node}<-{wrong.start()}' got {wrong.group()!r}; known are {known}")
    ops = [NAMES[int(digit)] for digit in "".join(nodes)]
    return Architecture(dict(zip(EDGES, ops, strict=True)))
