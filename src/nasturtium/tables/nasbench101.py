"""The cells of NAS-Bench-101 (Ying et al. 2019, https://arxiv.org/abs/1902.09635), without the network that
they are put into.

We always decide on 7 vertices and all their edges, and drop vertices that are on no way from the input to the
output, as the authors do; smaller cells are those with vertices that are not used.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import Constraint, Count, Path, used
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace

VERTICES = 7
LAST = VERTICES - 1
MOST_EDGES = 9
CELL = "cell"
OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")  # in the order that the module hash numbers them
EDGES = {f"{CELL}/{t}<-{s}": (s, t) for t in range(1, VERTICES) for s in range(t)}
OP_NAMES = {vertex: f"{CELL}/{vertex}/op" for vertex in range(1, LAST)}

CONSTRAINTS: tuple[Constraint, ...] = (
    Count(f"a cell has at most {MOST_EDGES} edges", frozenset(EDGES), frozenset([1]), most=MOST_EDGES),
    Path("the cell's input must lead to its output", EDGES, 1, 0, LAST),
)


class Spec(NamedTuple):
    """A cell as the benchmark writes it: the adjacency matrix, row by source, and the operations, of which
    the first is `input` and the last `output`.
    """

    matrix: list[list[int]]
    ops: list[str]

    @property
    def edges(self) -> set[tuple[int, int]]:
        """(source, target) of every edge."""
        return {(s, t) for s, row in enumerate(self.matrix) for t, there in enumerate(row) if there}

    def pruned(self) -> "Spec":
        """Without the vertices that are on no way from the input to the output."""
        keep = used(self.edges, len(self.ops) - 1)
        return Spec([[self.matrix[s][t] for t in keep] for s in keep], [self.ops[v] for v in keep])


def to_spec(arch: Architecture) -> Spec:
    """The cell of an architecture, with all 7 vertices."""
    matrix = [[int(bool(arch.get(f"{CELL}/{t}<-{s}", 0))) for t in range(VERTICES)] for s in range(VERTICES)]
    return Spec(matrix, ["input", *(str(arch[name]) for name in OP_NAMES.values()), "output"])


def from_spec(matrix: Any, ops: Sequence[str]) -> Architecture:
    """The architecture of a cell as the benchmark writes it; vertices beyond those given are not used.

    As in the benchmark, limits hold for what is left without vertices that are on no way from the input to
    the output; we drop them only where that is needed. Raises `UsageError` for a matrix that is not square,
    not of 0 and 1, or not upper triangular, for an unknown operation, for too many vertices or edges, and if
    the input does not lead to the output.
    """
    spec = Spec(_matrix(matrix), _ops(ops))
    if len(spec.matrix) != len(spec.ops):
        raise UsageError(f"{len(spec.ops)} operations for a matrix of {len(spec.matrix)} vertices")
    if not used(spec.edges, len(spec.ops) - 1):
        raise UsageError(f"the input of this cell does not lead to its output: edges {sorted(spec.edges)}")
    if len(spec.ops) > VERTICES or len(spec.edges) > MOST_EDGES:
        spec = spec.pruned()
    if len(spec.ops) > VERTICES:
        raise UsageError(f"this cell uses {len(spec.ops)} vertices; NAS-Bench-101 has at most {VERTICES}")
    if len(spec.edges) > MOST_EDGES:
        raise UsageError(f"this cell uses {len(spec.edges)} edges; NAS-Bench-101 has at most {MOST_EDGES}")
    return _architecture(spec)


def _architecture(spec: Spec) -> Architecture:
    end = len(spec.ops) - 1
    edges = {(source, LAST if target == end else target) for source, target in spec.edges}
    values: dict[str, Value] = {name: int(edge in edges) for name, edge in EDGES.items()}
    for vertex, name in OP_NAMES.items():
        values[name] = spec.ops[vertex] if vertex < end else OPS[0]
    return Architecture(values)


def _matrix(matrix: Any) -> list[list[int]]:
    rows = matrix.tolist() if isinstance(matrix, np.ndarray) else matrix
    square = isinstance(rows, list | tuple) and all(
        isinstance(row, list | tuple) and len(row) == len(rows) for row in rows
    )
    if not square or len(rows) < 2:
        raise UsageError(
            f"expected the matrix of a cell, as many rows as columns and at least 2, got {matrix!r}"
        )
    for source, row in enumerate(rows):
        for target, there in enumerate(row):
            if there not in (0, 1):
                raise UsageError(f"row {source}, column {target} of the matrix is {there!r}; expected 0 or 1")
            if there and target <= source:
                raise UsageError(
                    f"row {source}, column {target} of the matrix is 1, an edge that does not lead to a later"
                    " vertex; the matrix must be upper triangular, so that there is no cycle"
                )
    return [[int(there) for there in row] for row in rows]


def _ops(ops: Sequence[str]) -> list[str]:
    if not isinstance(ops, list | tuple) or [*ops[:1], *ops[-1:]] != ["input", "output"]:
        raise UsageError(f"expected operations ['input', …, 'output'], got {ops!r}")
    for vertex, op in enumerate(ops[1:-1], start=1):
        if op not in OPS:
            raise UsageError(f"vertex {vertex} got {op!r}: {did_you_mean(str(op), OPS)}")
    return list(ops)


def module_hash(spec: Spec) -> str:
    """The benchmark's key of a cell, equal for all that compute the same: 32 hexadecimal digits.

    Every used vertex starts with the MD5 of its out-degree, in-degree and label, and is hashed as many times
    as there are vertices with those before and after it; the key is the MD5 of the sorted result.
    """
    matrix, ops = spec.pruned()
    labels = [-1, *(OPS.index(op) for op in ops[1:-1]), -2]
    vertices = range(len(ops))
    before = [[s for s in vertices if matrix[s][t]] for t in vertices]
    after = [[t for t in vertices if matrix[s][t]] for s in vertices]
    hashes = [_md5(str((len(after[v]), len(before[v]), labels[v]))) for v in vertices]
    for _ in vertices:
        hashes = [
            _md5("|".join((_join(hashes, before[v]), _join(hashes, after[v]), hashes[v]))) for v in vertices
        ]
    return _md5(str(sorted(hashes)))


def _join(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted(hashes[v] for v in vertices))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def graph(arch: Architecture) -> CellGraph:
    """The used vertices; those that feed the output are concatenated.

    Edges from the input are given as plain ones, though each is a 1×1 convolution, and an input that feeds
    the output is added to it.
    """
    spec = to_spec(arch).pruned()
    end = len(spec.ops) - 1
    keep = used(to_spec(arch).edges, LAST)
    return CellGraph(
        name=CELL,
        inputs=1,
        nodes=("input", *map(str, keep[1:-1])),
        edges=tuple((s, t, "") for s, t in sorted(spec.edges, key=lambda e: e[::-1]) if t != end),
        output=tuple(s for s in range(end) if (s, end) in spec.edges),
        ops=("", *spec.ops[1:-1]),
    )


SPACE = SearchSpace(
    [*(Decision(name, (0, 1)) for name in EDGES), *(Decision(name, OPS) for name in OP_NAMES.values())],
    constraints=CONSTRAINTS,
    graphs=lambda arch: (graph(arch),),
)
"""All cells, every one as often as its vertices can be numbered."""
