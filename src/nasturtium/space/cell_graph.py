"""A cell of an architecture as a graph, recognised by the names that cells give their decisions.

Node `i` of a cell has the decisions `<cell>/<i><-<j>`, one operation for each edge from an earlier state `j`,
and perhaps `<cell>/<i>/inputs`, the states it uses. States are numbered inputs first, then nodes.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.space.search_space import SearchSpace

Join = Literal["concat", "sum", "mean"]

EDGE = re.compile(r"(?P<cell>.+)/(?P<node>\d+)<-(?P<source>\d+)")
INPUTS = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/inputs")


@dataclass(frozen=True)
class CellGraph:
    """A cell as it was chosen: `nodes` names every state, of which the first `inputs` enter the cell.

    `edges` are (source, target, operation), source and target being positions in `nodes` with source <
    target; the operation is "" where what enters passes on unchanged. `ops` has one operation per state, done
    to the sum of what enters it, "" for none; it is empty for cells with operations on edges only. `output`
    are the states that leave the cell, joined as `join` says.
    """

    name: str
    inputs: int
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    output: tuple[int, ...]
    join: Join = "concat"
    ops: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CellGraph":
        """The graph that `dataclasses.asdict` made plain data of, also after a way through JSON."""
        edges = tuple((int(s), int(t), str(op)) for s, t, op in values["edges"])
        tuples = {name: tuple(values[name]) for name in ("nodes", "output", "ops")}
        return cls(values["name"], values["inputs"], edges=edges, join=values["join"], **tuples)


def cell_graphs(arch: Architecture, space: SearchSpace) -> tuple[CellGraph, ...]:
    """The cells of `arch`, as the space's own `graphs` tell them, or else recognised by decision names.

    Recognised cells come in the order of the space's decisions, without those that are switched off. Names
    don't tell how a cell makes its output: a cell with one input that uses all edges is taken to give its
    last node, others to give all nodes concatenated.
    """
    if space.graphs is not None:
        return tuple(space.graphs(arch))
    graphs = []
    for cell, names in _cells(space).items():
        chosen = [name for name in names if name in arch and EDGE.fullmatch(name)]
        if chosen:
            graphs.append(_graph(cell, names, chosen, arch))
    return tuple(graphs)


def other_decisions(arch: Architecture, graphs: Sequence[CellGraph]) -> dict[str, Value]:
    """What `arch` decides outside of its cells `graphs`: depths, widths, training settings.

    A cell's decisions are those whose names start with its own.
    """
    cells = tuple(f"{graph.name}/" for graph in graphs)
    return {name: value for name, value in arch.items() if not name.startswith(cells)}


def cell_of(name: str, space: SearchSpace) -> str | None:
    """The cell that the decision `name` belongs to, if any."""
    return next((cell for cell, names in _cells(space).items() if name in names), None)


def edge_of(name: str) -> tuple[int, int] | None:
    """(source, target) as state numbers if `name` is an edge's decision."""
    match = EDGE.fullmatch(name)
    return None if match is None else (int(match["source"]), int(match["node"]))


def _cells(space: SearchSpace) -> dict[str, list[str]]:
    """Decision names by cell; a name that only looks like a part of one is left out."""
    found: dict[str, list[str]] = {}
    for name in space.decisions:
        match = EDGE.fullmatch(name) or INPUTS.fullmatch(name)
        if match is not None:
            found.setdefault(match["cell"], []).append(name)
    return {cell: names for cell, names in found.items() if _is_cell(names)}


def _is_cell(names: list[str]) -> bool:
    """Whether there are edges, all from earlier states, and every node number from the first has some."""
    edges = [edge for edge in map(edge_of, names) if edge is not None]
    if not edges or any(source >= node for source, node in edges):
        return False
    nodes = {node for _, node in edges}
    return nodes == set(range(min(nodes), max(nodes) + 1)) and min(nodes) > 0


def _graph(cell: str, names: list[str], chosen: list[str], arch: Architecture) -> CellGraph:
    every = [edge for edge in map(edge_of, names) if edge is not None]
    inputs, last = min(node for _, node in every), max(node for _, node in every)
    edges = [(edge, str(arch[name])) for name in chosen if (edge := edge_of(name)) is not None]
    picks = any(INPUTS.fullmatch(name) for name in names)
    return CellGraph(
        name=cell,
        inputs=inputs,
        nodes=(*input_labels(inputs), *map(str, range(inputs, last + 1))),
        edges=tuple((source, node, op) for (source, node), op in sorted(edges, key=lambda e: e[0][::-1])),
        output=tuple(range(inputs, last + 1)) if picks or inputs > 1 else (last,),
    )


def input_labels(inputs: int) -> tuple[str, ...]:
    """As the papers name them: the outputs of the two cells before, or simply the input."""
    if inputs == 1:
        return ("input",)
    if inputs == 2:
        return ("c_{k-2}", "c_{k-1}")
    return tuple(f"input {i}" for i in range(inputs))
