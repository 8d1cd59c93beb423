"""Features of cells as graphs, in the spirit of neural graph features (Kadlecová et al. 2024, GRAF,
https://arxiv.org/abs/2406.03812): counts of operations, and for every subset of the operations the lengths of
paths and the degrees of states if only these operations are there.

Where we differ: operations that carry nothing are counted but are in no subset; of each operation we also
count those that lie on a way from an input to the output; a path's length is the number of its operations, so
that plain edges have none; we give one mean degree, because the mean of degrees in and out is the same.
"""

import itertools

import numpy as np

from nasturtium.space.cell_graph import NOTHING
from nasturtium.space.graph_arrays import CellArrays, CellShape

MOST_OPS = 7
"""Up to so many operations all subsets are looked at, of more only those of one, of two and of all."""


def feature_names(shape: CellShape) -> list[str]:
    """Features of `graph-features`."""
    ops = _ops(shape)
    sets = ["+".join(subset) for subset in _subsets(shape)]
    names = [f"{what} {op}" for what in ("count", "live") for op in ops]
    of_inputs = [f"{what} {i}" for i in shape.inputs for what in ("shortest from", "longest from", "out of")]
    return names + [f"{what} [{ops}]" for what in (*of_inputs, "into output", "mean degree") for ops in sets]


def features(shape: CellShape, cell: CellArrays) -> np.ndarray:
    """n × features:

    per operation how often it is there, and how often on a way from an input to the output; per input and
    subset of operations the shortest and longest path to the output with only these operations (one more than
    the longest possible and 0 if there is none), and how many of them follow the input directly; per subset
    how many of its operations come directly before the output, and edges of such operations per state.

    An edge without operation counts as one of the operation at its other end.
    """
    subsets = _subsets(shape)
    on_edges = _contains(subsets, ("", *shape.edge_ops))
    at_nodes = _contains(subsets, ("", *shape.node_ops))
    has = cell.edges.astype(np.float32) @ on_edges  # n × pair × subset
    node_in = at_nodes[cell.nodes] > 0  # n × state × subset
    plain = cell.edges[:, :, :1]
    blocks = [_counts(shape, cell, None), _counts(shape, cell, _live(shape, cell))]
    for source in range(len(shape.inputs)):
        blocks += _lengths(shape, cell, source, has > 0, node_in)
        leaving = [
            has[:, i] + plain[:, i] * node_in[:, t] for i, (s, t) in enumerate(cell.pairs) if s == source
        ]
        blocks.append(_total(leaving, blocks[-1]))
    entering = [has[:, i] + plain[:, i] * node_in[:, s] for i, (s, _) in enumerate(cell.pairs)]
    last = [cell.output[:, t : t + 1] * entering[i] for i, (_, t) in enumerate(cell.pairs)]
    blocks += [_total(last, blocks[-1]), _total(entering, blocks[-1]) / shape.states]
    return np.concatenate(blocks, 1, dtype=np.float32)


def _total(parts: list[np.ndarray], like: np.ndarray) -> np.ndarray:
    return np.sum(parts, axis=0) if parts else np.zeros_like(like, np.float32)


def _ops(shape: CellShape) -> list[str]:
    return sorted({*shape.edge_ops, *shape.node_ops})


def _subsets(shape: CellShape) -> list[tuple[str, ...]]:
    ops = shape.carrying
    sizes = range(1, len(ops) + 1) if len(ops) <= MOST_OPS else (1, 2, len(ops))
    return [subset for size in sizes for subset in itertools.combinations(ops, size)]


def _contains(subsets: list[tuple[str, ...]], ops: tuple[str, ...]) -> np.ndarray:
    """Operation × subset, 1 where it is in it."""
    return np.array([[op in subset for subset in subsets] for op in ops], np.float32)


def _lengths(
    shape: CellShape, cell: CellArrays, source: int, has: np.ndarray, node_in: np.ndarray
) -> list[np.ndarray]:
    """The shortest and the longest path from an input to the output, n × subset each."""
    never = np.int16(shape.longest + 1)
    size = (len(cell.nodes), has.shape[2])
    short = [np.full(size, never) for _ in range(shape.states)]
    long = [np.full(size, -never) for _ in range(shape.states)]
    short[source][:], long[source][:] = 0, 0
    shortest, longest = np.full(size, never), np.full(size, -never)
    for state in range(shape.states):
        for i, (s, t) in enumerate(cell.pairs):
            if t == state:
                plain = cell.edges[:, i, :1] > 0
                step = np.where(plain, np.int16(0), np.where(has[:, i], np.int16(1), never))
                np.minimum(short[t], short[s] + step, out=short[t])
                step = np.where(has[:, i], np.int16(1), np.where(plain, np.int16(0), -never))
                np.maximum(long[t], long[s] + step, out=long[t])
        if state in shape.at:
            free, inside = cell.nodes[:, state, None] == 0, node_in[:, state]
            short[state] += np.where(free, np.int16(0), np.where(inside, np.int16(1), never))
            long[state] += np.where(free, np.int16(0), np.where(inside, np.int16(1), -never))
        leaves = cell.output[:, state, None]
        shortest = np.where(leaves, np.minimum(shortest, short[state]), shortest)
        longest = np.where(leaves, np.maximum(longest, long[state]), longest)
    return [shortest, np.maximum(longest, 0)]


def _live(shape: CellShape, cell: CellArrays) -> tuple[np.ndarray, np.ndarray]:
    """Which pairs (n × pair) and which states (n × state) lie on a way from an input to the output."""
    carries = np.array([op not in NOTHING for op in ("", *shape.edge_ops)])
    flows = np.asarray((cell.edges[:, :, carries] > 0).any(axis=2))
    closed = [i for i, op in enumerate(shape.node_ops, start=1) if op in NOTHING]
    open_ = ~np.asarray(np.isin(cell.nodes, closed))
    reached = np.zeros(cell.nodes.shape, bool)
    reached[:, : len(shape.inputs)] = True
    for i, (s, t) in enumerate(cell.pairs):
        reached[:, t] |= reached[:, s] & open_[:, s] & flows[:, i]
    used = cell.output.copy()
    for i, (s, t) in reversed(list(enumerate(cell.pairs))):
        used[:, s] |= used[:, t] & open_[:, t] & flows[:, i]
    states: np.ndarray = reached & used & open_
    sources, targets = [s for s, _ in cell.pairs], [t for _, t in cell.pairs]
    return states[:, sources] & flows & states[:, targets], states


def _counts(shape: CellShape, cell: CellArrays, live: tuple[np.ndarray, np.ndarray] | None) -> np.ndarray:
    """How often each operation is there, on edges or at states that are `live`. n × operation."""
    on_edges = cell.edges if live is None else cell.edges * live[0][:, :, None]
    at_nodes = cell.nodes if live is None else cell.nodes * live[1]
    ops = _ops(shape)
    counts = np.zeros((len(cell.nodes), len(ops)), np.float32)
    for i, op in enumerate(shape.edge_ops, start=1):
        counts[:, ops.index(op)] += on_edges[:, :, i].sum(axis=1) * (live is None or op not in NOTHING)
    for i, op in enumerate(shape.node_ops, start=1):
        counts[:, ops.index(op)] += (at_nodes == i).sum(axis=1)
    return counts
