"""Random small cells of every kind, and cells that compute the same written differently."""

import numpy as np

from nasturtium.space.cell_graph import CellGraph

OPS = ("none", "skip", "", "conv", "pool")


def random_cell(
    rng: np.random.Generator, *, nodes: int = 3, density: float = 0.7, inputs: int = 0
) -> CellGraph:
    """One or two inputs, unless told; operations on edges and, in half of the cells, at nodes too."""
    inputs = inputs or int(rng.integers(1, 3))
    states = inputs + nodes
    edges = tuple(
        (source, target, str(rng.choice(OPS)))
        for target in range(inputs, states)
        for source in range(target)
        for _ in range(1 + int(rng.random() < 0.1))
        if rng.random() < density
    )
    at_nodes = rng.random() < 0.5
    output = [i for i in range(inputs, states) if rng.random() < 0.5] or [states - 1]
    return CellGraph(
        "cell",
        inputs,
        tuple(map(str, range(states))),
        edges,
        tuple(output),
        join=("concat", "sum", "mean")[int(rng.integers(3))],
        ops=tuple("" if i < inputs else str(rng.choice(OPS)) for i in range(states)) if at_nodes else (),
        identity=("skip",),
        keeps_size=bool(rng.random() < 0.5),
    )


def renumbered(graph: CellGraph, rng: np.random.Generator) -> CellGraph:
    """The same cell, its nodes in another order that respects the edges, its edges listed in any order."""
    before = {t: {s for s, u, _ in graph.edges if u == t} for t in range(len(graph.nodes))}
    order = list(range(graph.inputs))
    while len(order) < len(graph.nodes):
        free = [t for t in range(len(graph.nodes)) if t not in order and before[t] <= set(order)]
        order.append(int(rng.choice(free)))
    new = {old: i for i, old in enumerate(order)}
    edges = [(new[s], new[t], op) for s, t, op in graph.edges]
    return CellGraph(
        graph.name,
        graph.inputs,
        tuple(graph.nodes[old] for old in order),
        tuple(edges[i] for i in rng.permutation(len(edges))),
        tuple(new[i] for i in rng.permutation(graph.output)),
        graph.join,
        tuple(graph.ops[old] for old in order) if graph.ops else (),
        graph.identity,
        graph.keeps_size,
    )
