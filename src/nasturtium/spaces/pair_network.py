"""What the spaces of NASNet's kind share: two cells of blocks, stacked as Zoph et al. stack them
(2018, https://arxiv.org/abs/1707.07012), and their notation.

Three stages of `repeats` normal cells with a reduction cell before the second and the third; a reduction cell
doubles the channels. An input is preprocessed by a factorised reduction if it is twice as large as the other,
else by ReLU, 1×1 convolution and BatchNorm; the first cell takes the stem's output as it is for the cell
before the previous one, which it doesn't have. For large images the stem's convolution has stride 2 and two
more reduction cells follow it, with a quarter and a half of the channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blocks.backbone import PairedOutputs
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.joined import Output
from nasturtium.modules.cells.pair_cell import SIDES, LooseEnds, PairCell, input_of, pair_graph
from nasturtium.modules.nasnet_ops import PAIR_OPS
from nasturtium.modules.ops import FactorizedReduce, batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image
from nasturtium.spaces.darts import Genotype, joined_states

BLOCKS = 5
NORMAL, REDUCE = LooseEnds("normal", BLOCKS), LooseEnds("reduce", BLOCKS)
BOTH = (NORMAL, REDUCE)


class PreparedCell(nn.Module):
    """A cell with what brings its inputs, the outputs of the two cells before, to size.

    `before` None: there is one cell before only, and its output is used as it is.
    """

    def __init__(
        self,
        ends: LooseEnds,
        ops: Sequence[str],
        before: Output | None,
        previous: Output,
        channels: int,
        *,
        stride: int,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        self.preprocess0: nn.Module = nn.Identity()
        width = previous.width if before is None else channels
        if before is not None:
            self.preprocess0 = (
                FactorizedReduce(before.conv, channels)
                if after_reduction
                else nn.Sequential(nn.ReLU(), before.conv(channels), batch_norm(channels))
            )
        self.preprocess1 = nn.Sequential(nn.ReLU(), previous.conv(channels), batch_norm(channels))
        chosen = {op: PAIR_OPS[op] for op in ops}
        self.cell = PairCell(ends, chosen, (width, channels), channels, stride=stride)
        self.output = Output(channels, ends)

    def forward(self, x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
        """The outputs of the two cells before this one → B×(loose ends·channels)×H'×W'."""
        return self.cell(self.preprocess0(x_BCHW), self.preprocess1(y_BCHW))


class PairNetwork(nn.Module):
    """Stem, cells, classifier.

    `ends` are the loose ends of a normal and of a reduction cell; `stem` is the number of channels that the
    stem gives, `imagenet` says that it is that for large images. With `raw_first` the first cell has one of
    its inputs without preprocessing.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        ops: Sequence[str],
        *,
        channels: int,
        repeats: int,
        stem: int,
        imagenet: bool = False,
        raw_first: bool = True,
        ends: tuple[LooseEnds, LooseEnds] = BOTH,
    ) -> None:
        super().__init__()
        conv = (
            nn.Conv2d(input_shape[0], stem, 3, 2, bias=False)
            if imagenet
            else nn.Conv2d(input_shape[0], stem, 3, padding=1, bias=False)
        )
        self.stem = nn.Sequential(conv, nn.BatchNorm2d(stem))
        previous, after_reduction = Output(stem), False
        before = None if raw_first else previous
        self.cells = nn.ModuleList()
        for reduction, width in _plan(channels, repeats, imagenet):
            cell = PreparedCell(
                ends[reduction],
                ops,
                before,
                previous,
                width,
                stride=2 if reduction else 1,
                after_reduction=after_reduction,
            )
            self.cells.append(cell)
            before, previous, after_reduction = previous, cell.output, reduction
        self.activation = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = previous.linear(classes)

    def as_backbone(self) -> nn.Module:
        """The network without its classifier: images to the list of what stem and cells give."""
        return PairedOutputs(self.stem, nn.Identity(), self.cells)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        x = y = self.stem(x_BCHW)
        for cell in self.cells:
            x, y = y, cell(x, y)
        return self.classifier(self.pool(self.activation(y)).flatten(1))


def pair_blueprint(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    ops: Sequence[str],
    *,
    channels: int,
    repeats: int,
    imagenet_stem: int,
    ends: tuple[LooseEnds, LooseEnds] = BOTH,
    found: Mapping[str, Genotype],
) -> Blueprint:
    """The space `name` of cells with operations `ops`, with genotypes `found` by others.

    `imagenet_stem` is the number of channels of the stem for large images, 0 for that of CIFAR. Raises
    `UsageError` for images under 8×8, or 32×32 with that stem, which needs 8 channels at least.
    """
    large = bool(imagenet_stem)
    _require_sizes(name, input_shape, channels, imagenet=large)
    return Blueprint(
        lambda: PairNetwork(
            input_shape,
            classes,
            ops,
            channels=channels,
            repeats=repeats,
            stem=imagenet_stem or 3 * channels,
            imagenet=large,
            ends=ends,
        ),
        notation=lambda arch: repr(to_genotype(arch)),
        graphs=lambda arch: pair_graphs(arch, ends, prepared=large),
        points={point: from_genotype(genotype, ops) for point, genotype in found.items()},
    )


def _require_sizes(name: str, input_shape: tuple[int, int, int], channels: int, *, imagenet: bool) -> None:
    require_image(name, input_shape, 32 if imagenet else 8)
    if imagenet and channels < 8:
        raise UsageError(
            f"space {name!r}: network size 'channels' must be at least 8 with 'imagenet_stem', as the"
            f" first cell has a quarter of them; got {channels}"
        )


def _plan(channels: int, repeats: int, imagenet: bool) -> list[tuple[bool, int]]:
    """Of each cell whether it reduces, and its channels."""
    plan = [(True, channels // 4), (True, channels // 2)] if imagenet else []
    for stage in range(3):
        width = channels * 2**stage
        plan += [(True, width)] if stage else []
        plan += [(False, width)] * repeats
    return plan


def pair_graphs(
    arch: Architecture, ends: tuple[LooseEnds, LooseEnds] = BOTH, *, prepared: bool
) -> tuple[CellGraph, CellGraph]:
    """Both cells, each with what it joins as output. `prepared` says that every normal cell has both its
    inputs preprocessed, which makes their skip connections identities.
    """
    normal, reduce = ends
    return pair_graph(arch, normal, keeps_size=prepared), pair_graph(arch, reduce)


def to_genotype(arch: Architecture) -> Genotype:
    """An architecture in the classic notation: per cell the (operation, state) pairs of its blocks, left side
    first, and the states that are joined.
    """
    normal, reduce = (
        [
            (str(arch[f"{ends.cell}/{i}/{side}/op"]), int(str(arch[f"{ends.cell}/{i}/{side}/input"])))
            for i in ends.nodes()
            for side in SIDES
        ]
        for ends in BOTH
    )
    return Genotype(normal, list(NORMAL.states(arch)), reduce, list(REDUCE.states(arch)))


def from_genotype(genotype: Any, ops: Sequence[str]) -> Architecture:
    """The architecture of a genotype (a `Genotype`, another tuple of its four fields, or a mapping of them).

    Raises `UsageError` naming the cell, block and side for an operation that is not among `ops`, a state that
    does not come before its block, a wrong number of pairs, or joined states that are not the loose ends.
    """
    if not isinstance(genotype, dict | list | tuple):
        raise UsageError(f"expected a genotype with {', '.join(Genotype._fields)}, got {genotype!r}")
    fields = genotype if isinstance(genotype, dict) else dict(zip(Genotype._fields, genotype, strict=False))
    values: dict[str, Value] = {}
    for ends in BOTH:
        if ends.cell not in fields:
            raise UsageError(f"genotype without a {ends.cell!r} cell")
        values |= _cell(ends, fields[ends.cell], ops)
        joined, loose = joined_states(fields, ends.cell), list(ends.states(values))
        if joined not in (None, loose):
            raise UsageError(
                f"genotype cell {ends.cell!r} joins {joined}, but the states that no block uses are {loose}"
            )
    return Architecture(values)


def _cell(ends: LooseEnds, pairs: Any, ops: Sequence[str]) -> dict[str, Value]:
    needed = len(SIDES) * ends.blocks
    if not isinstance(pairs, list | tuple) or len(pairs) != needed:
        found = len(pairs) if isinstance(pairs, list | tuple) else repr(pairs)
        raise UsageError(f"genotype cell {ends.cell!r} has {found} pairs; it needs {needed}, two a block")
    values: dict[str, Value] = {}
    for at, pair in enumerate(pairs):
        node, side = ends.nodes()[at // 2], SIDES[at % 2]
        if not isinstance(pair, list | tuple) or list(map(type, pair)) != [str, int]:
            raise UsageError(
                f"cell {ends.cell!r} has {pair!r} on the {side} of block {node}; expected (operation, state)"
            )
        values |= pair_values(ends.cell, node, side, pair[0], pair[1], ops)
    return values


def pair_values(
    cell: str, node: int, side: str, op: str, source: int, ops: Sequence[str]
) -> dict[str, Value]:
    """The two decisions of one side of a block; raises `UsageError` if it can't be so."""
    place = f"'{cell}/{node}/{side}'"
    if op not in ops:
        raise UsageError(f"{place} got operation {op!r}: {did_you_mean(op, ops)}")
    if not 0 <= source < node:
        raise UsageError(f"{place} uses state {source}; block {node} can only use states 0 to {node - 1}")
    return {input_of(cell, node, side).name: source, f"{cell}/{node}/{side}/op": op}
