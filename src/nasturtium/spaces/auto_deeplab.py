"""The Auto-DeepLab space: a cell, and a path over resolutions (Liu et al. 2019,
https://arxiv.org/abs/1901.02985).

The cell has 5 blocks of two inputs and two operations each, and every layer uses the same one; a layer lies
at stride 4, 8, 16 or 32, at most one step from the layer before. The paper's 5.6·10¹⁴ cells count ordered
inputs that may repeat and 8 operations, one of them zero. Here a block takes two different states and zero
is no option, but a relaxation may add it: that is what the paper's relaxation and its decoding lead to. Its
2.9·10⁴ paths start at stride 4; here, as in its figure, the first layer may also be at stride 8.

The network is that of the authors' code: atrous operations are dense convolutions with rate 2, a pyramid of
atrous convolutions (ASPP) follows the path, and the decoder joins the last features before the path first
leaves stride 4. It differs in that a step down halves the image at the entries of a layer, as the paper has
it, not in its operations; pooling is followed by BatchNorm, as in DARTS; the searched network has the head
of the final one, not a smaller one. `discretize` follows the best way out of each stride, where the paper
takes the most probable path as a whole.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blocks.dense import ASPP, ConvBNReLU, resize_as
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.cells.trellis import Trellis, path_of, path_values
from nasturtium.modules.edge import OpFactory
from nasturtium.modules.ops import OPS, FactorizedReduce, ReLUConvBN, batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Value, members
from nasturtium.spaces.base import require_image, space

BLOCKS = 5
STRIDES = (4, 8, 16, 32)
LOW = 48  # channels of the low-level features in the decoder


class AtrousConv(nn.Sequential):
    """ReLU, dense convolution with rate 2, BatchNorm."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, kernel - 1, dilation=2, bias=False),
            batch_norm(channels),
        )


# `none` is no option, but a relaxation may add it
PRIMITIVES: dict[str, OpFactory] = {
    "sep_conv_3x3": OPS.get("sep_conv_3x3"),
    "sep_conv_5x5": OPS.get("sep_conv_5x5"),
    "atrous_conv_3x3": lambda channels, stride: AtrousConv(channels, 3, stride),
    "atrous_conv_5x5": lambda channels, stride: AtrousConv(channels, 5, stride),
    "avg_pool_3x3": OPS.get("avg_pool_3x3_bn"),
    "max_pool_3x3": OPS.get("max_pool_3x3_bn"),
    "skip_connect": OPS.get("skip_connect"),
}


class Resized(nn.Module):
    """Resizes features before a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x_BCHW: Tensor, like: Tensor) -> Tensor:
        """B×C×H×W → B×C'×H'×W', the size of `like`."""
        return self.layer(resize_as(x_BCHW, like))


class AsTheyAre(nn.Module):
    """Features that a layer takes as they are, or halves itself."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x_BCHW: Tensor, like: Tensor) -> Tensor:
        """Looks at `x_BCHW` only."""
        return self.layer(x_BCHW)


class Layers:
    """Makes the modules of the path; `channels` are those of an operation at stride 4."""

    def __init__(self, channels: int, stem: int, head: int) -> None:
        self.channels, self.stem, self.head = channels, stem, head

    def out(self, layer: int, stride: int) -> int:
        """The channels of what a layer gives; 0 and -1 are the stem's."""
        if layer < 1:
            return self.stem * (2 + layer)
        return BLOCKS * self.width(stride)

    def width(self, stride: int) -> int:
        """The channels of an operation."""
        return self.channels * stride // STRIDES[0]

    def body(self, layer: int, stride: int) -> nn.Module:
        """The cell."""
        return Cell("cell", PRIMITIVES, self.width(stride), BLOCKS, null=True)

    def previous(self, layer: int, source: int, stride: int) -> nn.Module:
        """Halves, keeps or doubles the size."""
        in_, out = self.out(layer - 1, source), self.width(stride)
        if source < stride:
            return AsTheyAre(FactorizedReduce(in_, out))
        conv = ReLUConvBN(in_, out, 1)
        return AsTheyAre(conv) if source == stride else Resized(conv)

    def before(self, layer: int, source: int, stride: int) -> nn.Module:
        """To whatever size."""
        return Resized(ReLUConvBN(self.out(layer - 2, source), self.width(stride), 1))

    def skip(self, layer: int) -> nn.Module:
        """Low-level features for the decoder."""
        return ConvBNReLU(self.out(layer, STRIDES[0]), LOW)

    def end(self, stride: int) -> nn.Module:
        """The pyramid."""
        return ASPP(BLOCKS * self.width(stride), self.head, stride)


class AutoDeepLab(nn.Module):
    """Stem to stride 4, the path, decoder."""

    def __init__(self, in_: int, classes: int, *, channels: int, layers: int, stem: int, head: int) -> None:
        super().__init__()
        self.stem2 = nn.Sequential(
            nn.Conv2d(in_, stem, 3, 2, 1, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.Conv2d(stem, stem, 3, 1, 1, bias=False),
            nn.BatchNorm2d(stem),
        )
        self.stem4 = nn.Sequential(
            nn.ReLU(), nn.Conv2d(stem, 2 * stem, 3, 2, 1, bias=False), nn.BatchNorm2d(2 * stem)
        )
        self.path = Trellis("path", STRIDES, layers, Layers(channels, stem, head))
        self.decoder = nn.Sequential(
            ConvBNReLU(LOW + head, head, 3), ConvBNReLU(head, head, 3), nn.Conv2d(head, classes, 1)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → scores B×classes×H×W."""
        half = self.stem2(x_BCHW)
        low, deep = self.path(half, self.stem4(half))
        return resize_as(self.decoder(torch.cat([deep, low], dim=1)), x_BCHW)


@space(
    "auto-deeplab",
    summary="a cell of 5 blocks and a path of 12 layers over strides 4 to 32, for dense prediction",
    paper="https://arxiv.org/abs/1901.02985",
    gives="pixels",
    shape=(3, 321, 321),
    classes=19,
    small_shape=(3, 32, 32),
    small={"channels": 2, "layers": 2, "stem": 4, "head": 4},
)
def auto_deeplab(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 20,
    layers: int = 12,
    stem: int = 64,
    head: int = 256,
) -> Blueprint:
    """The published networks S, M and L have 20, 32 and 48 channels at stride 4; the search has 8.

    `stem` are the channels of the first layers, `head` those of pyramid and decoder. Raises `UsageError` for
    images under 32×32.
    """
    require_image("auto-deeplab", input_shape, least=STRIDES[-1])
    return Blueprint(
        lambda: AutoDeepLab(input_shape[0], classes, channels=channels, layers=layers, stem=stem, head=head),
        notation=lambda arch: repr(to_genotype(arch)),
        graphs=graphs,
        points={"Auto-DeepLab": from_genotype(AUTO_DEEPLAB)} if layers == 12 else {},
    )


class Genotype(NamedTuple):
    """Level of each layer (0 to 3 for strides 4 to 32), and (operation, state) pairs of the blocks, two each.

    State 0 is what the layer before the previous one gave, 1 the previous layer's, 2 the first block.
    """

    path: list[int]
    cell: list[tuple[str, int]]


def path_in(arch: Architecture) -> tuple[int, ...]:
    """The stride of the stem and of each layer."""
    layers = sum(name.startswith("path/") for name in arch)
    return path_of(arch, "path", STRIDES[0], layers)


def to_genotype(arch: Architecture) -> Genotype:
    """An architecture of this space as a genotype."""
    cell = [
        (str(arch[f"cell/{node}<-{source}"]), int(source))
        for node in range(2, 2 + BLOCKS)
        for source in members(arch[f"cell/{node}/inputs"])
    ]
    return Genotype([STRIDES.index(stride) for stride in path_in(arch)[1:]], cell)


def from_genotype(genotype: Any) -> Architecture:
    """The architecture of a genotype (a `Genotype`, another tuple of its two fields, or a mapping of them).

    Raises `UsageError` naming the layer of a path that jumps or leaves the trellis, or the block of the cell
    with an unknown operation, a state that does not come before it, or one state used twice.
    """
    if not isinstance(genotype, dict | list | tuple):
        raise UsageError(f"expected a genotype with {' and '.join(Genotype._fields)}, got {genotype!r}")
    fields = genotype if isinstance(genotype, dict) else dict(zip(Genotype._fields, genotype, strict=False))
    for name in Genotype._fields:
        if not isinstance(fields.get(name), list | tuple):
            raise UsageError(f"genotype needs a list {name!r}, got {fields.get(name)!r}")
    path, cell = fields["path"], fields["cell"]
    if len(cell) != 2 * BLOCKS:
        raise UsageError(f"the genotype's cell has {len(cell)} edges; it needs {2 * BLOCKS}, two a block")
    values = _path(path)
    for node in range(2, 2 + BLOCKS):
        values |= _block(node, cell[2 * (node - 2) : 2 * (node - 1)])
    return Architecture(values)


def _path(levels: Sequence[Any]) -> dict[str, Value]:
    before = 0
    for layer, level in enumerate(levels, 1):
        if type(level) is not int or not 0 <= level < len(STRIDES):
            raise UsageError(
                f"path: layer {layer} has level {level!r}, outside of the trellis; levels 0 to 3 are strides"
                f" {', '.join(map(str, STRIDES))}"
            )
        if abs(level - before) > 1:
            raise UsageError(
                f"path: layer {layer} jumps from stride {STRIDES[before]} to {STRIDES[level]};"
                " a layer is at most one level from the one before, and the stem has level 0"
            )
        before = level
    if not levels:
        raise UsageError("the genotype's path has no layers")
    return path_values("path", [STRIDES[level] for level in (0, *levels)])


def _block(node: int, edges: Sequence[Any]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for edge in edges:
        if not isinstance(edge, list | tuple) or list(map(type, edge)) != [str, int]:
            raise UsageError(f"the cell has {edge!r} at block {node}; expected (operation, state)")
        op, source = edge
        if op not in PRIMITIVES:
            raise UsageError(f"edge 'cell/{node}<-{source}' got {op!r}: {did_you_mean(op, PRIMITIVES)}")
        if not 0 <= source < node:
            raise UsageError(
                f"edge 'cell/{node}<-{source}': block {node} can only use states 0 to {node - 1}"
            )
        if f"cell/{node}<-{source}" in values:
            raise UsageError(f"block {node} of the cell uses state {source} twice")
        values[f"cell/{node}<-{source}"] = op
    values[f"cell/{node}/inputs"] = tuple(sorted(source for _, source in edges))
    return values


def graphs(arch: Architecture) -> list[CellGraph]:
    """The cell, and the path with one state for each layer."""
    pairs = to_genotype(arch).cell
    cell = CellGraph(
        "cell",
        2,
        ("c_{k-2}", "c_{k-1}", *(str(node) for node in range(2, 2 + BLOCKS))),
        tuple((source, 2 + i // 2, op) for i, (op, source) in enumerate(pairs)),
        tuple(range(2, 2 + BLOCKS)),
        identity=("skip_connect",),
        keeps_size=True,
    )
    path = path_in(arch)
    names = ("stem", *(f"{layer}: 1/{stride}" for layer, stride in enumerate(path) if layer))
    edges = tuple(
        (i, i + 1, "" if a == b else "halve" if a < b else "double")
        for i, (a, b) in enumerate(itertools.pairwise(path))
    )
    ops = ("", *("cell" for _ in path[1:]))
    return [cell, CellGraph("path", 1, names, edges, (len(path) - 1,), ops=ops)]


AUTO_DEEPLAB = Genotype(
    path=[0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1],
    cell=[
        ("atrous_conv_5x5", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("atrous_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 3),
        ("sep_conv_5x5", 2),
        ("sep_conv_5x5", 4),
        ("sep_conv_5x5", 3),
        ("atrous_conv_5x5", 5),
    ],
)
"""What the authors found on Cityscapes, from their code, `research/deeplab/core/nas_network.py` of
https://github.com/tensorflow/models, which numbers the first two states the other way round."""
