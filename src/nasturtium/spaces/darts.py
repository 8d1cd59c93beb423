"""The DARTS space: a normal and a reduction cell (Liu et al. 2019, https://arxiv.org/abs/1806.09055).

As in the authors' experiments, an input is preprocessed by a factorised reduction when the *previous* cell
reduced, and only edges from the two inputs of a reduction cell have stride 2.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.backbone import PairedOutputs
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.ops import OPS, FactorizedReduce, ReLUConvBN, batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, input_labels
from nasturtium.space.decision import Value, members
from nasturtium.spaces.base import require_image, space

NODES = 4
JOINED = list(range(2, 2 + NODES))  # the states that are a cell's output
# name in the classic notation → operation; `none` is no option, but a relaxation may add it
PRIMITIVES = {
    "max_pool_3x3": OPS.get("max_pool_3x3_bn"),
    "avg_pool_3x3": OPS.get("avg_pool_3x3_bn"),
    "skip_connect": OPS.get("skip_connect"),
    "sep_conv_3x3": OPS.get("sep_conv_3x3"),
    "sep_conv_5x5": OPS.get("sep_conv_5x5"),
    "dil_conv_3x3": OPS.get("dil_conv_3x3"),
    "dil_conv_5x5": OPS.get("dil_conv_5x5"),
}


class DartsCell(nn.Module):
    """A cell with its two preprocessed inputs.

    The outputs of the cell before the previous one, and of the previous.
    """

    def __init__(
        self, before_previous: int, previous: int, channels: int, *, reduction: bool, after_reduction: bool
    ) -> None:
        super().__init__()
        self.preprocess0 = (
            FactorizedReduce(before_previous, channels)
            if after_reduction
            else ReLUConvBN(before_previous, channels, 1)
        )
        self.preprocess1 = ReLUConvBN(previous, channels, 1)
        self.cell = Cell(
            "reduce" if reduction else "normal",
            PRIMITIVES,
            channels,
            NODES,
            stride=2 if reduction else 1,
            null=True,
        )

    def forward(self, x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
        """The outputs of the two cells before this one → B×4C×H'×W'."""
        return self.cell([self.preprocess0(x_BCHW), self.preprocess1(y_BCHW)])


class AuxiliaryHead(nn.Module):
    """A second classifier for training, after the second reduction."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            nn.BatchNorm2d(768),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Logits, B×classes."""
        return self.classifier(self.features(x_BCHW).flatten(1))


class DartsNetwork(nn.Module):
    """`cells` cells with reductions at one and two thirds.

    In training with an auxiliary head returns two logits.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        channels: int,
        cells: int,
        stem: str = "cifar",
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.stem0, self.stem1, before, previous = _stem(stem, input_shape[0], channels)
        after_reduction = stem == "imagenet"
        reductions = {cells // 3, 2 * cells // 3}
        self.cells = nn.ModuleList()
        self.auxiliary_at = 2 * cells // 3
        for i in range(cells):
            reduction = i in reductions
            channels *= 2 if reduction else 1
            self.cells.append(
                DartsCell(before, previous, channels, reduction=reduction, after_reduction=after_reduction)
            )
            before, previous, after_reduction = previous, NODES * channels, reduction
            if i == self.auxiliary_at and auxiliary:
                self.auxiliary_head = AuxiliaryHead(previous, classes)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(previous, classes)
        self.auxiliary = auxiliary

    def as_backbone(self) -> nn.Module:
        """The network without its classifier: images to the list of what stems and cells give."""
        return PairedOutputs(self.stem0, self.stem1, self.cells)

    def forward(self, x_BCHW: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Images B×C×H×W → logits B×classes; with an auxiliary head in training also its logits."""
        x = self.stem0(x_BCHW)
        y = self.stem1(x)
        second = None
        for i, cell in enumerate(self.cells):
            x, y = y, cell(x, y)
            if i == self.auxiliary_at and self.auxiliary and self.training:
                second = self.auxiliary_head(y)
        logits = self.classifier(self.pool(y).flatten(1))
        return logits if second is None else (logits, second)


def _stem(kind: str, in_: int, channels: int) -> tuple[nn.Module, nn.Module, int, int]:
    """Two stems in a row and their output channels; the CIFAR one feeds the first cell twice."""
    if kind == "cifar":
        wide = 3 * channels
        first = nn.Sequential(nn.Conv2d(in_, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide))
        return first, nn.Identity(), wide, wide
    half = channels // 2
    first = nn.Sequential(
        nn.Conv2d(in_, half, 3, 2, 1, bias=False),
        batch_norm(half),
        nn.ReLU(),
        nn.Conv2d(half, channels, 3, 2, 1, bias=False),
        batch_norm(channels),
    )
    second = nn.Sequential(
        nn.ReLU(), nn.Conv2d(channels, channels, 3, 2, 1, bias=False), batch_norm(channels)
    )
    return first, second, channels, channels


@space(
    "darts",
    summary="normal and reduction cell of 4 nodes, 2 inputs each, 7 operations",
    paper="https://arxiv.org/abs/1806.09055",
    small={"channels": 4, "cells": 3},
)
def darts(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 16,
    cells: int = 8,
    auxiliary: int = 0,
    imagenet: int = 0,
) -> Blueprint:
    """The published sizes are 16 channels, 8 cells to search and 36 channels, 20 cells to evaluate on
    CIFAR-10.

    `imagenet` 1 takes the stem that divides the image by eight; `auxiliary` 1 adds the second classifier.
    Raises `UsageError` for images under 8×8, fewer than 3 cells, or 1 channel with `imagenet`.
    """
    return darts_blueprint(
        "darts",
        input_shape,
        classes,
        channels=channels,
        cells=cells,
        auxiliary=auxiliary,
        imagenet=imagenet,
        found={"DARTS_V2": DARTS_V2},
    )


def darts_blueprint(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int,
    cells: int,
    auxiliary: int,
    imagenet: int = 0,
    found: Mapping[str, "Genotype"],
) -> Blueprint:
    """The space `name` of these cells and networks, with genotypes `found` by others; raises what `darts`
    raises.
    """
    require_image(name, input_shape)
    if cells < 3:
        raise UsageError(f"space {name!r} needs at least 3 cells for its two reductions, got {cells}")
    if imagenet and channels < 2:
        raise UsageError(
            f"space {name!r} needs at least 2 channels with 'imagenet', whose stem begins with half of them;"
            f" got {channels}"
        )
    stem = "imagenet" if imagenet else "cifar"
    return Blueprint(
        lambda: DartsNetwork(
            input_shape, classes, channels=channels, cells=cells, stem=stem, auxiliary=bool(auxiliary)
        ),
        notation=lambda arch: repr(to_genotype(arch)),
        graphs=to_graphs,
        points={point: from_genotype(genotype) for point, genotype in found.items()},
    )


def to_graphs(arch: Architecture) -> tuple[CellGraph, ...]:
    """Both cells; in the reduction cell, skip connections from the cell's inputs have strides and weights."""
    genotype, graphs = to_genotype(arch), []
    for cell, pairs in (("normal", genotype.normal), ("reduce", genotype.reduce)):
        graphs.append(
            CellGraph(
                cell,
                inputs=2,
                nodes=(*input_labels(2), *map(str, JOINED)),
                edges=tuple((source, 2 + i // 2, op) for i, (op, source) in enumerate(pairs)),
                output=tuple(JOINED),
                identity=("skip_connect",),
                keeps_size=cell == "normal",
                decisions=tuple(name for name in arch if name.startswith(f"{cell}/")),
            )
        )
    return tuple(graphs)


class Genotype(NamedTuple):
    """The classic notation.

    Per cell the (operation, state) pairs of nodes 2, 3, 4, 5, two each, and what is joined.
    """

    normal: list[tuple[str, int]]
    normal_concat: list[int]
    reduce: list[tuple[str, int]]
    reduce_concat: list[int]


def to_genotype(arch: Architecture) -> Genotype:
    """An architecture of this space in the classic notation."""
    pairs: dict[str, list[tuple[str, int]]] = {"normal": [], "reduce": []}
    for cell, found in pairs.items():
        for node in range(2, 2 + NODES):
            for source in members(arch[f"{cell}/{node}/inputs"]):
                found.append((str(arch[f"{cell}/{node}<-{source}"]), int(source)))
    return Genotype(pairs["normal"], JOINED, pairs["reduce"], JOINED)


def from_genotype(genotype: Any) -> Architecture:
    """The architecture of a genotype (a `Genotype`, another tuple of its four fields, or a mapping of them).

    Raises `UsageError` naming the cell and node for an unknown operation, a state that does not come before
    its node, one state used twice by a node, a wrong number of edges, or nodes that are not joined.
    """
    if not isinstance(genotype, dict | list | tuple):
        raise UsageError(f"expected a genotype with {', '.join(Genotype._fields)}, got {genotype!r}")
    fields = genotype if isinstance(genotype, dict) else dict(zip(Genotype._fields, genotype, strict=False))
    values: dict[str, Value] = {}
    for cell in ("normal", "reduce"):
        if cell not in fields:
            raise UsageError(f"genotype without a {cell!r} cell")
        edges = fields[cell]
        if not isinstance(edges, list | tuple) or len(edges) != 2 * NODES:
            found = len(edges) if isinstance(edges, list | tuple) else repr(edges)
            raise UsageError(f"genotype cell {cell!r} has {found} edges; it needs {2 * NODES}, two a node")
        if (joined := joined_states(fields, cell)) not in (None, JOINED):
            raise UsageError(f"genotype cell {cell!r} joins {joined}; this space joins {JOINED}")
        for node in range(2, 2 + NODES):
            values |= _node(cell, node, edges[2 * (node - 2) : 2 * (node - 1)])
    return Architecture(values)


def joined_states(fields: Mapping[str, Any], cell: str) -> list[Any] | None:
    """The states that a cell joins, as the fields of a genotype say; None if they don't say.

    Raises `UsageError` for what is no list.
    """
    joined = fields.get(f"{cell}_concat")
    if joined is None or isinstance(joined, list | tuple | range):
        return None if joined is None else list(joined)
    raise UsageError(f"genotype cell {cell!r} joins {joined!r}; expected a list of states")


def _node(cell: str, node: int, edges: Sequence[tuple[str, int]]) -> dict[str, Value]:
    for edge in edges:
        if not isinstance(edge, list | tuple) or list(map(type, edge)) != [str, int]:
            raise UsageError(f"cell {cell!r} has {edge!r} at node {node}; expected (operation, state)")
    values: dict[str, Value] = {f"{cell}/{node}/inputs": tuple(sorted(source for _, source in edges))}
    for op, source in edges:
        if op not in PRIMITIVES:
            raise UsageError(
                f"edge '{cell}/{node}<-{source}' got {op!r}; this cell knows {', '.join(PRIMITIVES)}"
            )
        if not 0 <= source < node:
            raise UsageError(
                f"edge '{cell}/{node}<-{source}': node {node} can only use states 0 to {node - 1}"
            )
        values[f"{cell}/{node}<-{source}"] = op
    if len(values) != 3:
        raise UsageError(f"node {node} of cell {cell!r} uses state {edges[0][1]} twice")
    return values


DARTS_V2 = Genotype(
    normal=[
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 0),
        ("sep_conv_3x3", 1),
        ("sep_conv_3x3", 1),
        ("skip_connect", 0),
        ("skip_connect", 0),
        ("dil_conv_3x3", 2),
    ],
    normal_concat=[2, 3, 4, 5],
    reduce=[
        ("max_pool_3x3", 0),
        ("max_pool_3x3", 1),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
        ("max_pool_3x3", 0),
        ("skip_connect", 2),
        ("skip_connect", 2),
        ("max_pool_3x3", 1),
    ],
    reduce_concat=[2, 3, 4, 5],
)
"""The cells that the authors found with the second-order method, as their paper shows them."""
