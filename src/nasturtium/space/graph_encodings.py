"""Encodings of cells by their edges (`adjacency`) and by the paths through them (`path`).

Paths: White et al. 2021 (BANANAS), https://arxiv.org/abs/1910.11858. A feature is a sequence of operations
and says whether some way from an input to the output has it. Each input has its own features; a path may not
go through an operation that carries nothing. White et al. cut off the least probable paths, which are the
longest; we leave out all paths of a length, longest first, until there are at most `MOST_PATHS` an input.
"""

import itertools

import numpy as np

from nasturtium.space.cell_graph import NOTHING
from nasturtium.space.graph_arrays import CellArrays, CellShape

MOST_PATHS = 1000


def adjacency_names(shape: CellShape) -> list[str]:
    """Features of `adjacency`."""
    names = []
    for s, t in shape.pairs:
        names += [f"{t}<-{s}", *(f"{t}<-{s}={op}" for op in shape.edge_ops)]
    names += [f"{t}={op}" for t in _with_ops(shape) for op in shape.node_ops]
    return names + [f"output<-{t}" for t in range(shape.states) if len(shape.outputs) > 1]


def adjacency(shape: CellShape, cell: CellArrays) -> np.ndarray:
    """Of each pair of states how many edges carry something and how many have each operation; the operation
    of each state, one-hot; the states that leave the cell, unless they are always the same. n × features.
    """
    n = len(cell.nodes)
    at = {pair: i for i, pair in enumerate(shape.pairs)}
    edges = np.zeros((n, len(at), 1 + len(shape.edge_ops)), np.float32)
    carries = [op not in NOTHING for op in ("", *shape.edge_ops)]
    for i, pair in enumerate(cell.pairs):
        edges[:, at[pair], 0] = cell.edges[:, i, carries].sum(axis=1)
        edges[:, at[pair], 1:] = cell.edges[:, i, 1:]
    numbers = np.arange(1, 1 + len(shape.node_ops))
    nodes = cell.nodes[:, _with_ops(shape), None] == numbers
    blocks = [edges.reshape(n, -1), nodes.reshape(n, -1)]
    return np.concatenate([*blocks, cell.output] if len(shape.outputs) > 1 else blocks, 1, dtype=np.float32)


def _with_ops(shape: CellShape) -> list[int]:
    """The states whose operation is encoded: all nodes, if there are any at nodes."""
    return list(range(min(len(shape.inputs), *shape.at), shape.states)) if shape.at else []


def path_names(shape: CellShape) -> list[str]:
    """Features of `path`."""
    ops, lengths = shape.carrying, _lengths(shape)
    paths = ["→".join(path) for length in lengths for path in itertools.product(ops, repeat=length)]
    return [f"{source}→{path}" if path else f"{source}→output" for source in shape.inputs for path in paths]


def _lengths(shape: CellShape) -> range:
    """How many operations the encoded paths have; none only where a state can pass a cell unchanged."""
    first = 0 if shape.plain or min(min(o, default=0) for o in shape.outputs) < len(shape.inputs) else 1
    last, count = first, len(shape.carrying) ** first
    while last < shape.longest and count + len(shape.carrying) ** (last + 1) <= MOST_PATHS:
        last += 1
        count += len(shape.carrying) ** last
    return range(first, last + 1)


def path(shape: CellShape, cell: CellArrays) -> np.ndarray:
    """Which sequences of operations lead from each input to the output. n × features."""
    lengths = _lengths(shape)
    starts = np.cumsum([0, *(len(shape.carrying) ** length for length in range(lengths.stop))]).tolist()
    blocks = [_from_input(shape, cell, source, starts) for source in range(len(shape.inputs))]
    return np.concatenate([block[:, starts[lengths.start] :] for block in blocks], 1, dtype=np.float32)


def _from_input(shape: CellShape, cell: CellArrays, source: int, starts: list[int]) -> np.ndarray:
    """For all lengths from 0, whose first features are `starts`. n × features, boolean."""
    n = len(cell.nodes)
    number = {op: i for i, op in enumerate(shape.carrying)}
    reached = [np.zeros((n, starts[-1]), bool) for _ in range(shape.states)]
    reached[source][:, 0] = cell.output.any(axis=1)  # not where the cell is switched off
    found = np.zeros((n, starts[-1]), bool)
    edges = dict(zip(cell.pairs, np.moveaxis(cell.edges, 1, 0) > 0, strict=True))
    for state in range(shape.states):
        for (s, t), has in edges.items():
            if t == state:
                reached[t] |= reached[s] & has[:, :1]
                for i, op in enumerate(shape.edge_ops, start=1):
                    if op in number:
                        reached[t] |= _longer(reached[s] & has[:, i : i + 1], number[op], starts)
        reached[state] = _through(shape, cell, state, reached[state], number, starts)
        found |= reached[state] & cell.output[:, state : state + 1]
    return found


def _through(
    shape: CellShape,
    cell: CellArrays,
    state: int,
    before: np.ndarray,
    number: dict[str, int],
    starts: list[int],
) -> np.ndarray:
    """The paths to a state after its own operation."""
    after: np.ndarray = before & (cell.nodes[:, state : state + 1] == 0)
    for i, op in enumerate(shape.node_ops, start=1):
        if op in number and state in shape.at:
            after |= _longer(before & (cell.nodes[:, state : state + 1] == i), number[op], starts)
    return after


def _longer(paths: np.ndarray, op: int, starts: list[int]) -> np.ndarray:
    """Every path with one more operation; too long ones are dropped. Paths of a length count up in base of
    the number of operations.
    """
    longer = np.zeros_like(paths)
    ops = starts[2] - starts[1] if len(starts) > 2 else 1
    for before, at, after in zip(starts, starts[1:], starts[2:], strict=False):
        longer[:, at + op : after : ops] = paths[:, before:at]
    return longer
