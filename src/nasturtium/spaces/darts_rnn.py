"""The recurrent DARTS space (Liu et al. 2019, https://arxiv.org/abs/1806.09055): a cell of 8 nodes.

A node takes one earlier state through a highway layer whose candidate passes one of four functions; the
output is the mean of all nodes. State 0 is the same highway step with tanh from input and last output. As in
the authors' search, all edges into a node share its matrix, and one BatchNorm acts while a mixture is
trained. Their dropouts, and the state kept from one batch to the next, are not part of the network here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from torch import nn

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Node
from nasturtium.modules.cells.recurrent import (
    FUNCTIONS,
    Entry,
    Highway,
    HighwayLayer,
    LanguageModel,
    MeanOf,
    RecurrentCell,
    both_halves,
)
from nasturtium.modules.example import random_tokens
from nasturtium.modules.one_of import OneOf
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Value, members
from nasturtium.spaces.base import space

NODES = 8


class Update(OneOf):
    """The highway step with one of the functions; a relaxation may add a candidate that outputs zero."""

    def __init__(self, name: str) -> None:
        super().__init__(name, {f: partial(_highway, make) for f, make in FUNCTIONS.items()})
        self.null = True


def _highway(activation: Callable[[], nn.Module]) -> nn.Module:
    return Highway(activation())


def darts_node(i: int, width: int) -> Node:
    """Node `i`, 1 being the first: an edge from one of the states before it."""
    weights = both_halves(width)
    return Node("cell", i, lambda node, j: HighwayLayer(weights, Update(f"cell/{node}<-{j}")), k=1)


@space(
    "darts-rnn",
    summary="recurrent cell of 8 nodes, 1 input each, 4 functions",
    paper="https://arxiv.org/abs/1806.09055",
    takes="tokens",
    gives="tokens",
    shape=(35,),
    classes=10_000,
    small_shape=(5,),
    small={"width": 8, "nodes": 3},
)
def darts_rnn(input_shape: tuple[int], classes: int, *, width: int = 850, nodes: int = NODES) -> Blueprint:
    """Sequences of `input_shape` tokens out of `classes`. The published widths are 300 to search and 850 to
    evaluate on Penn Treebank, 700 on WikiText-2.
    """

    def make() -> nn.Module:
        cell = RecurrentCell(
            width,
            Entry(width, nn.Tanh()),
            (darts_node(i, width) for i in range(1, nodes + 1)),
            MeanOf(range(1, nodes + 1)),
        )
        return LanguageModel(input_shape[0], classes, width, cell, bias=True)

    return Blueprint(
        make,
        notation=lambda arch: repr(to_genotype(arch, nodes=nodes)),
        graphs=lambda arch: [_graph(arch, nodes)],
        example=random_tokens(input_shape, classes),
        points={} if nodes != NODES else {f: from_genotype(g) for f, g in FOUND.items()},
    )


def _graph(arch: Architecture, nodes: int) -> CellGraph:
    edges = [(j, i, op) for i, (op, j) in enumerate(to_genotype(arch, nodes=nodes).recurrent, start=1)]
    names = ("input", *map(str, range(1, nodes + 1)))
    return CellGraph("cell", 1, names, tuple(edges), tuple(range(1, nodes + 1)), join="mean")


class Genotype(NamedTuple):
    """The classic notation: per node the function and the state it takes, and which states are joined."""

    recurrent: list[tuple[str, int]]
    concat: list[int]


def to_genotype(arch: Architecture, *, nodes: int = NODES) -> Genotype:
    """An architecture of this space in the classic notation."""
    found = []
    for node in range(1, nodes + 1):
        source = members(arch[f"cell/{node}/inputs"])[0]
        found.append((str(arch[f"cell/{node}<-{source}"]), int(source)))
    return Genotype(found, list(range(1, nodes + 1)))


def from_genotype(genotype: Any, *, nodes: int = NODES) -> Architecture:
    """The architecture of a genotype (a `Genotype`, another pair of its two fields, or a mapping of them).

    Raises `UsageError` naming the node for an unknown function or a state that does not come before its node,
    and for a wrong number of nodes or nodes that are not joined.
    """
    if isinstance(genotype, list | tuple) and len(genotype) == len(Genotype._fields):
        genotype = dict(zip(Genotype._fields, genotype, strict=True))
    if not isinstance(genotype, dict) or set(genotype) != set(Genotype._fields):
        raise UsageError(
            f"expected a recurrent genotype with {' and '.join(Genotype._fields)}, got {genotype!r}"
        )
    edges, joined = genotype["recurrent"], genotype["concat"]
    if not isinstance(edges, list | tuple) or len(edges) != nodes:
        found = len(edges) if isinstance(edges, list | tuple) else repr(edges)
        raise UsageError(f"the recurrent genotype has {found} nodes; this cell needs {nodes}")
    if not isinstance(joined, list | tuple | range) or list(joined) != list(range(1, nodes + 1)):
        raise UsageError(f"the recurrent genotype joins {joined!r}; this space joins nodes 1 to {nodes}")
    values: dict[str, Value] = {}
    for node, edge in enumerate(edges, start=1):
        values |= _node(node, edge)
    return Architecture(values)


def _node(node: int, edge: Any) -> dict[str, Value]:
    if not isinstance(edge, list | tuple) or list(map(type, edge)) != [str, int]:
        raise UsageError(f"the cell has {edge!r} at node {node}; expected (function, state)")
    function, source = edge
    if function not in FUNCTIONS:
        raise UsageError(
            f"edge 'cell/{node}<-{source}' got {function!r}: {did_you_mean(function, FUNCTIONS)}"
        )
    if not 0 <= source < node:
        raise UsageError(f"edge 'cell/{node}<-{source}': node {node} can only use states 0 to {node - 1}")
    return {f"cell/{node}/inputs": (source,), f"cell/{node}<-{source}": function}


DARTS_V1 = Genotype(
    recurrent=[
        ("relu", 0),
        ("relu", 1),
        ("tanh", 2),
        ("relu", 3),
        ("relu", 4),
        ("identity", 1),
        ("relu", 5),
        ("relu", 1),
    ],
    concat=list(range(1, 9)),
)
"""The cell that the authors found with the first-order method."""

DARTS_V2 = Genotype(
    recurrent=[
        ("sigmoid", 0),
        ("relu", 1),
        ("relu", 1),
        ("identity", 1),
        ("tanh", 2),
        ("sigmoid", 5),
        ("tanh", 3),
        ("relu", 5),
    ],
    concat=list(range(1, 9)),
)
"""The cell that the authors found with the second-order method."""

FOUND = {"DARTS_V1": DARTS_V1, "DARTS_V2": DARTS_V2}
