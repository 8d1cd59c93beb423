"""The NAS-FPN space: how the features of a backbone are merged (Ghiasi et al. 2019,
https://arxiv.org/abs/1904.07392).

Seven merging cells each take two different features, the pyramid's five levels or what earlier cells gave,
and merge them by a sum or by attention (global pooling). The first two choose their level, the other five
make the new pyramid, in an order that is chosen; an output adds what nothing else of its level has used. The
pyramid is repeated with weights of its own. That is the space of the authors' later code,
`nas_architecture/tunable_nasfpn_search_space.py` of https://github.com/google/vertex-ai-nas.

P3 to P7 name the levels over any backbone of this collection (`over`): P3 to P5 are its three coarsest
resolutions, P6 and P7 are pooled, so that P3 has stride 8 over one that divides images by 32. The paper's
backbones (ResNet, MobileNetV2) are not searched; here ProxylessNAS, whose blocks are those of MobileNetV2,
is searched jointly unless fixed. In place of a detector's heads, all levels are added up and every pixel is
classified, as in Panoptic FPN (Kirillov et al. 2019, https://arxiv.org/abs/1901.02446) but with one layer.
Convolutions before a BatchNorm have no bias.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blocks.backbone import Backbone, levels_of
from nasturtium.modules.blocks.dense import ConvBNReLU, resize_as
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.merging import MERGES, MergingCells, coarser_first, merges_of, orders
from nasturtium.modules.choice import Building, add, building, current
from nasturtium.modules.derive import strip
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, cell_graphs
from nasturtium.space.constraints import Constraint
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, space
from nasturtium.spaces.proxylessnas import MOBILE, proxylessnas

LEVELS = (3, 4, 5, 6, 7)
FREE = 2  # merging cells before those that make the new pyramid
CELLS = FREE + len(LEVELS)
NAME = "fpn"
ATTENTION = ("weighs", "weighed")  # what the coarser and the finer input of an attention are
Block = tuple[int, str, tuple[int, int], bool]


class Bottom(nn.Module):
    """The features of a backbone at every level of the pyramid, brought to the same number of channels."""

    def __init__(self, backbone: Backbone, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.laterals = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for width in widths
        )

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Images → five tensors, each half as large as the one before."""
        features = self.backbone(x_BCHW)
        pyramid = [lateral(features[i]) for i, lateral in enumerate(self.laterals)]
        while len(pyramid) < len(LEVELS):
            pyramid.append(F.max_pool2d(pyramid[-1], 2, ceil_mode=True))
        return pyramid


class PixelHead(nn.Module):
    """Adds up a pyramid at the resolution of its finest level and classifies every pixel."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvBNReLU(channels, channels, 3)
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, pyramid: Sequence[Tensor], x_BCHW: Tensor) -> Tensor:
        """Five tensors, and the images whose size is wanted → B×classes×H×W."""
        finest = pyramid[0]
        total = add([finest, *(resize_as(pyramid[i], finest) for i in range(1, len(LEVELS)))])
        return resize_as(self.classifier(self.conv(total)), x_BCHW)


class PyramidNetwork(nn.Module):
    """Backbone, pyramids one after the other, head."""

    def __init__(self, bottom: Bottom, classes: int, *, channels: int, stacks: int) -> None:
        super().__init__()
        self.bottom = bottom
        self.pyramids = nn.ModuleList(MergingCells(NAME, channels, LEVELS, free=FREE) for _ in range(stacks))
        self.head = PixelHead(channels, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → scores B×classes×H×W."""
        features = self.bottom(x_BCHW)
        for pyramid in self.pyramids:
            features = pyramid([features[i] for i in range(len(LEVELS))])
        return self.head([features[i] for i in range(len(LEVELS))], x_BCHW)


@space(
    "nas-fpn",
    summary="7 merging cells over the resolutions of a backbone, for dense prediction",
    paper="https://arxiv.org/abs/1904.07392",
    gives="pixels",
    shape=(3, 512, 512),
    classes=80,
    small_shape=(3, 32, 32),
    small={"channels": 4, "stacks": 1, "width": 10},
)
def nas_fpn(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 256,
    stacks: int = 7,
    width: int = 100,
    fixed_backbone: int = 0,
) -> Blueprint:
    """`stacks` pyramids of `channels` each, by default the paper's 7 of 256, over ProxylessNAS with `width`
    percent of its channels, or with `fixed_backbone` 1 over the network that its paper found for phones.
    Raises `UsageError` for images under 32×32.
    """
    require_image("nas-fpn", input_shape, least=32)
    return over(
        proxylessnas(input_shape, classes, width=width),
        input_shape,
        classes,
        channels=channels,
        stacks=stacks,
        fixed=MOBILE if fixed_backbone else None,
    )


def over(
    backbone: Blueprint,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 256,
    stacks: int = 7,
    fixed: Architecture | None = None,
) -> Blueprint:
    """The space over any `backbone` for images of this shape, whose features are searched jointly or `fixed`.

    Raises `UsageError` for a backbone that shows no features, whose features have no certain channels, or
    that has decisions of the pyramid's names.
    """
    fixed = None if fixed is None else backbone.space.validate(fixed)
    clash = sorted(name for name in backbone.space.decisions if name.startswith(f"{NAME}/"))
    if clash and fixed is None:
        raise UsageError(f"backbone and pyramid both decide {clash[0]!r}: rename it, or fix the backbone")
    taps = levels_of(backbone, input_shape[0], fixed)[-3:]

    def make() -> nn.Module:
        network = backbone.make() if fixed is None else _built(backbone, fixed)
        body = Backbone(network, [tap.position for tap in taps])
        bottom = Bottom(body, [tap.channels for tap in taps], channels)
        return PyramidNetwork(bottom, classes, channels=channels, stacks=stacks)

    def graphs(arch: Architecture) -> list[CellGraph]:
        below = [] if fixed is not None else cell_graphs(arch, backbone.space)
        return [*below, graph(arch)]

    def notation(arch: Architecture) -> str:
        below = "" if fixed is not None or backbone.notation is None else f"{backbone.notation(arch)} + "
        return f"{below}{to_blocks(arch)}"

    published = from_blocks(NAS_FPN)
    points = {"NAS-FPN": published}
    searched: Sequence[Constraint] = ()
    if fixed is None:
        points = {f"NAS-FPN over {p}": Architecture({**a, **published}) for p, a in backbone.points.items()}
        searched = backbone.space.constraints
    return Blueprint(make, constraints=searched, notation=notation, graphs=graphs, points=points)


def _built(backbone: Blueprint, arch: Architecture) -> nn.Module:
    """The plain network of one architecture, made where other modules are being made."""
    with building(Building(arch, affine=current().affine)):
        return strip(backbone.make(), arch, in_place=True)


def to_blocks(arch: Architecture) -> list[Block]:
    """The authors' notation: (level, merge, the two features, whether it is an output) of each cell.

    Features 0 to 4 are P3 to P7, then come the cells.
    """
    merges = merges_of(arch, NAME, LEVELS, FREE)
    return [(merge.level, merge.op, merge.inputs, i >= FREE) for i, merge in enumerate(merges)]


def from_blocks(blocks: Any) -> Architecture:
    """The architecture of a pyramid in the authors' notation; add the backbone's decisions to it.

    Raises `UsageError` naming the cell with an unknown merge or level, or with features that come later than
    the cell, are the same or in the wrong order; or if the outputs are not all five levels.
    """
    if not isinstance(blocks, list | tuple) or len(blocks) != CELLS:
        found = len(blocks) if isinstance(blocks, list | tuple) else repr(blocks)
        raise UsageError(
            f"expected {CELLS} merging cells (level, merge, (feature, feature), output), got {found}"
        )
    values: dict[str, Value] = {}
    order = []
    for i, block in enumerate(blocks):
        level = _cell(i, block, values)
        if i < FREE:
            values[f"{NAME}/cell{i + 1}/level"] = level
        else:
            order.append(str(level))
    values[f"{NAME}/order"] = "-".join(order)
    if values[f"{NAME}/order"] not in orders(LEVELS):
        raise UsageError(
            f"the outputs, merging cells {FREE + 1} to {CELLS}, have levels {', '.join(order)}; they need"
            f" each of {', '.join(map(str, LEVELS))} once"
        )
    return Architecture(values)


def _cell(i: int, block: Any, values: dict[str, Value]) -> int:
    """Enter what cell `i` merges; returns its level."""
    where = f"merging cell {i + 1}"
    if not isinstance(block, list | tuple) or len(block) != 4 or not isinstance(block[2], list | tuple):
        raise UsageError(f"{where} reads {block!r}; expected (level, merge, (feature, feature), output)")
    level, merge, features, output = block
    if level not in LEVELS:
        raise UsageError(f"{where} has level {level!r}; levels are {', '.join(map(str, LEVELS))}")
    if merge not in MERGES:
        raise UsageError(f"{where} merges by {merge!r}: {did_you_mean(str(merge), MERGES)}")
    if list(map(type, features)) != [int, int]:
        raise UsageError(f"{where} merges {features!r}; expected the numbers of two features")
    last = len(LEVELS) + i - 1
    for feature in features:
        if not 0 <= feature <= last:
            raise UsageError(f"{where} uses feature {feature}; it can only use features 0 to {last}")
    if features[0] >= features[1]:
        raise UsageError(
            f"{where} merges features {features[0]} and {features[1]}; give two, the earlier first"
        )
    if bool(output) != (i >= FREE):
        raise UsageError(f"{where} is {'an' if i >= FREE else 'no'} output; got {output!r}")
    values[f"{NAME}/cell{i + 1}/inputs"] = tuple(features)
    values[f"{NAME}/cell{i + 1}/op"] = merge
    return int(level)


def graph(arch: Architecture) -> CellGraph:
    """The pyramid: its five levels, and each merging cell with its merge and level.

    Of the two inputs of an attention one weighs the other; what an output adds besides is neither.
    """
    merges = merges_of(arch, NAME, LEVELS, FREE)
    inputs, at = len(LEVELS), [*LEVELS, *(merge.level for merge in merges)]
    edges = []
    for i, merge in enumerate(merges):
        roles = dict(zip(coarser_first(merge, at), ATTENTION, strict=True)) if merge.op == "attention" else {}
        for source in sorted({*merge.inputs, *merge.unused}):
            edges.append((source, inputs + i, roles.get(source, "")))
    return CellGraph(
        NAME,
        inputs,
        (*(f"P{level}" for level in LEVELS), *(str(i + 1) for i in range(CELLS))),
        tuple(edges),
        tuple(range(inputs + FREE, inputs + CELLS)),
        ops=(*("" for _ in LEVELS), *(f"{merge.op} → P{merge.level}" for merge in merges)),
    )


NAS_FPN: list[Block] = [
    (4, "attention", (1, 3), False),
    (4, "sum", (1, 5), False),
    (3, "sum", (0, 6), True),
    (4, "sum", (6, 7), True),
    (5, "attention", (7, 8), True),
    (7, "attention", (6, 9), True),
    (6, "attention", (9, 10), True),
]
"""What the authors found on COCO, from `models/official/detection/modeling/architecture/nasfpn.py` of
https://github.com/tensorflow/tpu."""
