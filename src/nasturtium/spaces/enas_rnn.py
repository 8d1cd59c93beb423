"""The recurrent ENAS space (Pham et al. 2018, https://arxiv.org/abs/1802.03268): a cell of 12 nodes.

Node 0 takes input and last output, every other node one earlier node; each is a highway layer with one of
four functions, and the output is the mean of the nodes that no other node uses. In the shared weights, every
triple of node, earlier node and function has a matrix of its own, as in the authors' code; its BatchNorms of
the search and its dropouts are left out.
"""

import re
from collections.abc import Callable
from functools import partial

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Node
from nasturtium.modules.cells.recurrent import (
    FUNCTIONS,
    Entry,
    Highway,
    HighwayLayer,
    LanguageModel,
    MeanOfLooseEnds,
    RecurrentCell,
    both_halves,
)
from nasturtium.modules.edge import Edge
from nasturtium.modules.example import random_tokens
from nasturtium.modules.one_of import OneOf
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Value, members
from nasturtium.spaces.base import space

NODES = 12
ORDER = ("tanh", "relu", "identity", "sigmoid")  # as the authors number them


class EnasCell(RecurrentCell):
    """The searched cell."""

    def __init__(self, width: int, nodes: int) -> None:
        entry = OneOf("cell/0/function", {f: partial(_entry, width, FUNCTIONS[f]) for f in ORDER})
        layers = {f: partial(_layer, FUNCTIONS[f]) for f in ORDER}
        steps = [
            Node("cell", i, lambda node, j: Edge(f"cell/{node}<-{j}", layers, width), k=1)
            for i in range(1, nodes)
        ]
        inputs = [decision for step in steps for decision in step.decisions()]
        super().__init__(width, entry, steps, MeanOfLooseEnds(inputs))


def _entry(width: int, activation: Callable[[], nn.Module]) -> nn.Module:
    return Entry(width, activation())


def _layer(activation: Callable[[], nn.Module], width: int, stride: int) -> nn.Module:
    return HighwayLayer(both_halves(width), Highway(activation()))


@space(
    "enas-rnn",
    summary="recurrent cell of 12 nodes, 1 input each, 4 functions, loose ends joined",
    paper="https://arxiv.org/abs/1802.03268",
    takes="tokens",
    gives="tokens",
    shape=(35,),
    classes=10_000,
    small_shape=(5,),
    small={"width": 8, "nodes": 4},
)
def enas_rnn(input_shape: tuple[int], classes: int, *, width: int = 748, nodes: int = NODES) -> Blueprint:
    """Sequences of `input_shape` tokens out of `classes`. 748 is the width of the authors' final network on
    Penn Treebank.
    """
    return Blueprint(
        lambda: LanguageModel(input_shape[0], classes, width, EnasCell(width, nodes), bias=False),
        notation=lambda arch: to_string(arch, nodes=nodes),
        graphs=lambda arch: [_graph(arch, nodes)],
        example=random_tokens(input_shape, classes),
        points={"ENAS on Penn Treebank": from_string(PTB)} if nodes == NODES else {},
    )


def _sources(arch: Architecture, nodes: int) -> list[int]:
    return [int(members(arch[f"cell/{node}/inputs"])[0]) for node in range(1, nodes)]


def _graph(arch: Architecture, nodes: int) -> CellGraph:
    """The cell's input is one state more, in front of node 0."""
    sources = _sources(arch, nodes)
    edges = [(0, 1, str(arch["cell/0/function"]))]
    edges += [(j + 1, i + 1, str(arch[f"cell/{i}<-{j}"])) for i, j in enumerate(sources, start=1)]
    loose = tuple(i + 1 for i in range(nodes) if i not in sources)
    return CellGraph("cell", 1, ("input", *map(str, range(nodes))), tuple(edges), loose, join="mean")


def to_string(arch: Architecture, *, nodes: int = NODES) -> str:
    """The authors' own notation: node 0's function, then per node the node it takes and its function."""
    numbers = [ORDER.index(str(arch["cell/0/function"]))]
    for node, source in enumerate(_sources(arch, nodes), start=1):
        numbers += [source, ORDER.index(str(arch[f"cell/{node}<-{source}"]))]
    return " ".join(map(str, numbers))


def from_string(text: str, *, nodes: int = NODES) -> Architecture:
    """The architecture of a string in the authors' notation.

    Raises `UsageError` naming the node for an unknown function or an input that does not come before it, and
    for a wrong number of numbers.
    """
    words = text.split() if isinstance(text, str) else []
    if not all(re.fullmatch(r"\d+", word) for word in words) or len(words) != 2 * nodes - 1:
        raise UsageError(
            f"{text!r} is no recurrent cell of {nodes} nodes: expected {2 * nodes - 1} whole numbers, a"
            " function and then pairs of an earlier node and a function"
        )
    first, *rest = map(int, words)
    values: dict[str, Value] = {"cell/0/function": _function(0, first)}
    for node in range(1, nodes):
        source, function = rest[2 * node - 2 : 2 * node]
        if source >= node:
            raise UsageError(f"node {node} got input {source}; it can only use nodes 0 to {node - 1}")
        values |= {f"cell/{node}/inputs": (source,), f"cell/{node}<-{source}": _function(node, function)}
    return Architecture(values)


def _function(node: int, number: int) -> str:
    if number >= len(ORDER):
        known = ", ".join(f"{i} {name}" for i, name in enumerate(ORDER))
        raise UsageError(f"node {node} got function {number}; known are {known}")
    return ORDER[number]


PTB = "0 0 0 1 1 2 1 2 0 2 0 5 1 1 0 6 1 8 1 8 1 8 1"
"""The cell that the authors found on Penn Treebank."""
