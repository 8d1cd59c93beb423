"""A cell of an architecture as a graph, recognised by the names that cells give their decisions.

Node `i` of a cell has the decisions `<cell>/<i><-<j>`, one operation for each edge from an earlier state `j`,
and perhaps `<cell>/<i>/inputs`, the states it uses. States are numbered inputs first, then nodes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value

if TYPE_CHECKING:
    from nasturtium.space.search_space import SearchSpace

Join = Literal["concat", "sum", "mean"]
CanonicalForm = Literal["graph", "written"]

EDGE = re.compile(r"(?P<cell>.+)/(?P<node>\d+)<-(?P<source>\d+)")
INPUTS = re.compile(r"(?P<cell>.+)/(?P<node>\d+)/inputs")
NOTHING = ("none", "zero", "null")
"""Operations that carry nothing on."""


@dataclass(frozen=True)
class CellGraph:
    """A cell as it was chosen: `nodes` names every state, of which the first `inputs` enter the cell.

    `edges` are (source, target, operation), source and target being positions in `nodes` with source <
    target; the operation is "" where what enters passes on unchanged. `ops` has one operation per state, done
    to the sum of what enters it, "" for none; it is empty for cells with operations on edges only. `output`
    are the states that leave the cell, joined as `join` says.

    Canonical forms need to know more. `identity` names operations that pass on unchanged what they get; with
    `keeps_size` False that is not trusted where a cell's input is read, because a cell that reduces the image
    has strides there. `decisions` names the decisions that this graph shows completely, by default those
    whose names start with its own and a slash. `form` is the canonical form by which the cell's field counts
    what is the same (see `canonical`).
    """

    name: str
    inputs: int
    nodes: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    output: tuple[int, ...]
    join: Join = "concat"
    ops: tuple[str, ...] = ()
    identity: tuple[str, ...] = ()
    keeps_size: bool = False
    decisions: tuple[str, ...] = ()
    form: CanonicalForm = "graph"

    def shows(self, decision: str) -> bool:
        """Whether a decision can be read off this graph."""
        return decision in self.decisions if self.decisions else decision.startswith(f"{self.name}/")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CellGraph":
        """The graph that `dataclasses.asdict` made plain data of, also after a way through JSON."""
        edges = tuple((int(s), int(t), str(op)) for s, t, op in values["edges"])
        lists = ("nodes", "output", "ops", "identity", "decisions")
        return cls(**{**values, "edges": edges, **{n: tuple(values[n]) for n in lists if n in values}})


def cell_graphs(arch: Architecture, space: "SearchSpace") -> tuple[CellGraph, ...]:
    """The cells of `arch`, as the space's own `graphs` tell them, or else recognised by decision names.

    Recognised cells come in the order of the space's decisions, without those that are switched off. Names
    don't tell how a cell makes its output: a cell with one input that uses all edges is taken to give its
    last node, others to give all nodes concatenated. Nor do they tell strides: `skip_connect` is taken to be
    an identity between nodes, but not from a cell's input.
    """
    if space.graphs is not None:
        return tuple(space.graphs(arch))
    found = (cell.graph(arch) for cell in space.named_cells.values())
    return tuple(graph for graph in found if graph is not None)


def other_decisions(arch: Architecture, graphs: Iterable[CellGraph]) -> dict[str, Value]:
    """What `arch` decides besides what the graphs of its cells show: depths, widths, training settings."""
    cells = tuple(graphs)
    return {n: value for n, value in arch.items() if not any(cell.shows(n) for cell in cells)}


def cell_of(name: str, space: "SearchSpace") -> str | None:
    """The cell that the decision `name` belongs to by its name, if any."""
    return next((cell.name for cell in space.named_cells.values() if name in cell.decisions), None)


def edge_of(name: str) -> tuple[int, int] | None:
    """(source, target) as state numbers if `name` is an edge's decision."""
    match = EDGE.fullmatch(name)
    return None if match is None else (int(match["source"]), int(match["node"]))


@dataclass(frozen=True)
class NamedCell:
    """A cell of a space as its decision names tell it: `edges` are (source, node, decision), by node."""

    name: str
    decisions: tuple[str, ...]
    edges: tuple[tuple[int, int, str], ...]
    picks: bool

    def graph(self, arch: Architecture) -> CellGraph | None:
        """The cell as `arch` has it, or None if it is switched off."""
        edges = tuple((s, node, str(arch[name])) for s, node, name in self.edges if name in arch)
        if not edges:
            return None
        inputs, states = self.edges[0][1], self.edges[-1][1] + 1
        return CellGraph(
            name=self.name,
            inputs=inputs,
            nodes=(*input_labels(inputs), *map(str, range(inputs, states))),
            edges=edges,
            output=tuple(range(inputs, states)) if self.picks or inputs > 1 else (states - 1,),
            identity=("skip_connect",),
            decisions=tuple(name for name in self.decisions if name in arch),
        )


def named_cells(names: Iterable[str]) -> dict[str, NamedCell]:
    """The cells among decision names; a name that only looks like a part of one is left out."""
    found: dict[str, list[str]] = {}
    for name in names:
        match = EDGE.fullmatch(name) or INPUTS.fullmatch(name)
        if match is not None:
            found.setdefault(match["cell"], []).append(name)
    cells = {}
    for cell, decisions in found.items():
        edges = sorted((*edge, name) for name in decisions if (edge := edge_of(name)) is not None)
        if _makes_cell(edges):
            edges.sort(key=lambda edge: (edge[1], edge[0]))
            cells[cell] = NamedCell(cell, tuple(decisions), tuple(edges), len(edges) < len(decisions))
    return cells


def _makes_cell(edges: list[tuple[int, int, str]]) -> bool:
    """Whether there are edges, all from earlier states, and every node number from the first has some."""
    if not edges or any(source >= node for source, node, _ in edges):
        return False
    nodes = {node for _, node, _ in edges}
    return nodes == set(range(min(nodes), max(nodes) + 1)) and min(nodes) > 0


def input_labels(inputs: int) -> tuple[str, ...]:
    """As the papers name them: the outputs of the two cells before, or simply the input."""
    if inputs == 1:
        return ("input",)
    if inputs == 2:
        return ("c_{k-2}", "c_{k-1}")
    return tuple(f"input {i}" for i in range(inputs))
