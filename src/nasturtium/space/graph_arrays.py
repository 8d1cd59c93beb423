"""The cells of many architectures as arrays of one size, for encodings that look at graphs.

What cells there are, how many states they have and which operations can be in them is found out by looking:
at architectures drawn at random, and at one for every option of every decision. States are told apart by
their names where all graphs have them in one order, so that a cell that leaves out unused states has the
others in their usual places; else by their numbers.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import NOTHING, CellGraph, cell_graphs
from nasturtium.space.conditions import ALWAYS
from nasturtium.space.decision import Option, Value, members

if TYPE_CHECKING:
    from nasturtium.space.search_space import SearchSpace

DRAWN = 200


@dataclass(frozen=True)
class CellShape:
    """What the graphs of one cell can be: `inputs` are the names of its first states, operations are sorted.

    `place` has the position of every state by its name, or is empty if names don't tell. `plain` says that
    edges without an operation occur, `at` the states that have had one, `outputs` which sets of states have
    left the cell.
    """

    name: str
    inputs: tuple[str, ...]
    states: int
    place: Mapping[str, int]
    edge_ops: tuple[str, ...]
    node_ops: tuple[str, ...]
    plain: bool
    at: tuple[int, ...]
    outputs: tuple[tuple[int, ...], ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """All (source, target) that an edge can have, by target."""
        return [(s, t) for t in range(len(self.inputs), self.states) for s in range(t)]

    @property
    def carrying(self) -> tuple[str, ...]:
        """All operations that carry something, sorted."""
        return tuple(sorted({*self.edge_ops, *self.node_ops} - set(NOTHING)))

    @property
    def longest(self) -> int:
        """The most operations that can be on the way from an input to an output."""
        on_edges = self.states - len(self.inputs) if self.edge_ops else 0
        return on_edges + len(self.at)


@dataclass(frozen=True)
class CellArrays:
    """One cell of n architectures, all zero where it is switched off.

    `edges` counts, n × pair × operation, the edges of each (source, target) that occurs in `pairs`, which
    are sorted by target; first plain ones, then those of the shape's `edge_ops`. `nodes`, n × state, is 0 or
    the number from 1 in `node_ops`; `output`, n × state, says what leaves the cell.
    """

    pairs: list[tuple[int, int]]
    edges: np.ndarray
    nodes: np.ndarray
    output: np.ndarray


@dataclass
class _Seen:
    """What has been met of one cell."""

    graphs: list[CellGraph] = field(default_factory=list)

    def shape(self) -> CellShape:
        graphs, place = self.graphs, self._place()
        on_edges = {op for g in graphs for *_, op in g.edges}
        at_nodes = {(place.get(g.nodes[i], i), op) for g in graphs for i, op in enumerate(g.ops) if op}
        return CellShape(
            name=graphs[0].name,
            inputs=graphs[0].nodes[: graphs[0].inputs],
            states=len(place) or max(len(g.nodes) for g in graphs),
            place=place,
            edge_ops=tuple(sorted(on_edges - {""})),
            node_ops=tuple(sorted({op for _, op in at_nodes})),
            plain="" in on_edges,
            at=tuple(sorted({i for i, _ in at_nodes})),
            outputs=tuple(sorted({tuple(place.get(g.nodes[i], i) for i in g.output) for g in graphs})),
        )

    def _place(self) -> dict[str, int]:
        order: nx.DiGraph[str] = nx.DiGraph()
        for nodes in {g.nodes for g in self.graphs}:
            order.add_nodes_from(nodes)
            order.add_edges_from(itertools.pairwise(nodes))
        if not nx.is_directed_acyclic_graph(order):
            return {}  # also where two states have one name
        by_number = nx.lexicographical_topological_sort(order, key=lambda name: (len(name), name))
        return {name: i for i, name in enumerate(by_number)}


@dataclass(frozen=True)
class Layout:
    """The cells of a space, and its decisions that no cell shows."""

    cells: tuple[CellShape, ...]
    others: tuple[str, ...]


def layout(space: "SearchSpace") -> Layout:
    """What the cells of a space can be."""
    seen: dict[str, _Seen] = {}
    shown: set[str] = set()
    for arch in _probes(space):
        for graph in cell_graphs(arch, space):
            seen.setdefault(graph.name, _Seen()).graphs.append(graph)
            shown.update(filter(graph.shows, arch))
    others = tuple(name for name in space.decisions if name not in shown)
    return Layout(tuple(cell.shape() for cell in seen.values()), others)


def _probes(space: "SearchSpace") -> Iterator[Architecture]:
    """Random architectures, then one for every option that was in none of them."""
    rng = np.random.default_rng(0)
    missing = {(name, option): None for name, d in space.decisions.items() for option in d.options}
    for _ in range(DRAWN):
        arch = space.sample(rng)
        for name, value in arch.items():
            for option in members(value):
                missing.pop((name, option), None)
        yield arch
    for name, option in missing:
        yield space.complete(_with(space, name, {option}, {}), rng)


def _with(
    space: "SearchSpace", name: str, options: set[Option] | frozenset[Option], wish: dict[str, Value]
) -> dict[str, Value]:
    """`wish` and a value with one of `options`, and what it takes for the decision to be active."""
    if name in wish:
        return wish
    value = next(v for v in space.decisions[name].values() if not options.isdisjoint(members(v)))
    wish = {**wish, name: value}
    condition = space.conditions[name]
    if condition != ALWAYS and condition:
        conjunction = min(condition, key=lambda c: sorted(w.decision for w in c))
        for when in sorted(conjunction, key=lambda w: w.decision):
            wish = _with(space, when.decision, when.options, wish)
    return wish


def cell_arrays(space: "SearchSpace", archs: Sequence[Architecture]) -> list[CellArrays]:
    """The cells of `archs`, in the order of the space's layout.

    Raises `UsageError` for a cell that is larger or other than all that the layout was made from.
    """
    cells: dict[str, list[CellGraph | None]] = {s.name: [None] * len(archs) for s in space.layout.cells}
    for row, arch in enumerate(archs):
        for graph in cell_graphs(arch, space):
            if graph.name not in cells:
                raise UsageError(_unforeseen(graph, "is new"))
            cells[graph.name][row] = graph
    return [_arrays(shape, cells[shape.name]) for shape in space.layout.cells]


def _arrays(shape: CellShape, graphs: Sequence[CellGraph | None]) -> CellArrays:
    n, states, width = len(graphs), shape.states, 1 + len(shape.edge_ops)
    on_edge = {op: i for i, op in enumerate(("", *shape.edge_ops))}
    at_node = {op: i for i, op in enumerate(("", *shape.node_ops))}
    flat: list[int] = []
    nodes = np.zeros((n, states), np.int16)
    output = np.zeros((n, states), bool)
    places: dict[tuple[str, ...], list[int]] = {}
    for row, graph in enumerate(graphs):
        if graph is None:
            continue
        if graph.nodes not in places:
            places[graph.nodes] = _places(shape, graph)
        at = places[graph.nodes]
        _refuse_unforeseen(graph, on_edge, at_node)
        flat += [((row * states + at[t]) * states + at[s]) * width + on_edge[op] for s, t, op in graph.edges]
        output[row, [at[state] for state in graph.output]] = True
        if graph.ops:
            nodes[row, at] = [at_node[op] for op in graph.ops]
    place, op = np.divmod(np.array(flat, np.int64), width)
    rows, pair = np.divmod(place, states * states)
    found, which = np.unique(pair, return_inverse=True)
    counts = np.bincount((rows * len(found) + which) * width + op, minlength=n * len(found) * width)
    pairs = [(int(p) % states, int(p) // states) for p in found]
    return CellArrays(pairs, counts.reshape(n, len(found), width).astype(np.uint8), nodes, output)


def _places(shape: CellShape, graph: CellGraph) -> list[int]:
    """The position of each state of a graph."""
    at = [shape.place.get(name, shape.states) if shape.place else i for i, name in enumerate(graph.nodes)]
    if at != sorted(set(at)) or at[-1] >= shape.states:
        raise UsageError(_unforeseen(graph, f"has the states {', '.join(graph.nodes)}"))
    return at


def _refuse_unforeseen(graph: CellGraph, on_edge: Mapping[str, int], at_node: Mapping[str, int]) -> None:
    for known, ops in ((on_edge, [op for *_, op in graph.edges]), (at_node, graph.ops)):
        for op in ops:
            if op not in known:
                raise UsageError(_unforeseen(graph, f"has the operation {op!r}"))


def _unforeseen(graph: CellGraph, what: str) -> str:
    return (
        f"cell {graph.name!r} {what}, unlike in all architectures that the encoding was laid out by: one for"
        " each option of each decision and some more; use the encoding 'onehot' or 'continuous'"
    )
