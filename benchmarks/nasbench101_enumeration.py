"""Count the cells of NAS-Bench-101 that compute different things; the authors publish 423,624.

Every upper triangular matrix whose vertices are all on a way from the input to the output is taken with
every choice of operations. Two cells are the same if the benchmark's module hash is. By default that hash is
computed on many cells at once with integers of 64 bits in place of MD5 sums: cells with equal MD5 sums have
equal integers, so that the count could only be too small, if two integers met by chance. With `--md5` it is
the module hash itself, cell by cell, which takes minutes. Leaves with exit code 1 if the published number is
asked for and not found.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator
from time import perf_counter

import numpy as np

from nasturtium.tables.nasbench101 import MOST_EDGES, OPS, VERTICES, Spec, module_hash

PUBLISHED = 423_624
TOGETHER = 500  # matrices hashed at once


def matrices(vertices: int, most: int) -> np.ndarray:
    """Those without a vertex to drop and with at most `most` edges, n×V×V of 0 and 1."""
    pairs = [(s, t) for t in range(1, vertices) for s in range(t)]
    bits = np.arange(2 ** len(pairs))
    every = np.zeros((len(bits), vertices, vertices), dtype=np.uint8)
    for i, (source, target) in enumerate(pairs):
        every[:, source, target] = bits >> i & 1
    fed, feeding = every.any(axis=1)[:, 1:].all(axis=1), every.any(axis=2)[:, :-1].all(axis=1)
    return every[fed & feeding & (every.sum(axis=(1, 2)) <= most)]


def labels(vertices: int) -> np.ndarray:
    """Every choice of operations, L×V, with the input as -1 and the output as -2."""
    inner = list(itertools.product(range(len(OPS)), repeat=vertices - 2))
    return np.array([(-1, *choice, -2) for choice in inner])


def mixed(x: np.ndarray, salt: int = 0) -> np.ndarray:
    """Whole numbers scrambled one to one, by the finaliser of SplitMix64."""
    x = x + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def keys(matrix_NVV: np.ndarray, label_LV: np.ndarray) -> np.ndarray:
    """A number per matrix and choice of operations, N×L, as the module hash goes about it."""
    there = matrix_NVV.astype(np.uint64)
    degrees = 8 * there.sum(axis=2) + there.sum(axis=1)
    color = mixed(64 * (label_LV + 3).astype(np.uint64)[None] + degrees[:, None], salt=1)
    for _ in range(there.shape[1]):
        before = np.einsum("nlv,nvw->nlw", mixed(color, salt=2), there)
        after = np.einsum("nlw,nvw->nlv", mixed(color, salt=3), there)
        color = mixed(mixed(before, salt=4) + mixed(mixed(after, salt=5)) + mixed(color, salt=6))
    return mixed(color, salt=7).sum(axis=2, dtype=np.uint64)


def by_integers(matrix_NVV: np.ndarray, label_LV: np.ndarray) -> int:
    """How many cells differ in their keys."""
    starts = range(0, len(matrix_NVV), TOGETHER)
    return len(
        np.unique(np.concatenate([keys(matrix_NVV[i : i + TOGETHER], label_LV).ravel() for i in starts]))
    )


def by_md5(matrix_NVV: np.ndarray, label_LV: np.ndarray) -> int:
    """How many cells differ in their module hashes."""
    named = [["input", *(OPS[i] for i in label[1:-1]), "output"] for label in label_LV.tolist()]
    return len({module_hash(Spec(matrix, ops)) for matrix in matrix_NVV.tolist() for ops in named})


def counted(most_vertices: int, most_edges: int, *, md5: bool) -> Iterator[tuple[int, int, int, int]]:
    """Per number of vertices: that number, the matrices, all cells and the different ones."""
    for vertices in range(2, most_vertices + 1):
        matrix_NVV, label_LV = matrices(vertices, most_edges), labels(vertices)
        found = by_md5(matrix_NVV, label_LV) if md5 else by_integers(matrix_NVV, label_LV)
        yield vertices, len(matrix_NVV), len(matrix_NVV) * len(label_LV), found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vertices", type=int, default=VERTICES, help="at most (default: %(default)s)")
    parser.add_argument("--edges", type=int, default=MOST_EDGES, help="at most (default: %(default)s)")
    parser.add_argument("--md5", action="store_true", help="compute the module hash of every cell")
    options = parser.parse_args()
    began, total = perf_counter(), 0
    print(f"{'vertices':>8} {'matrices':>10} {'cells':>12} {'different':>12} {'seconds':>8}")
    for vertices, n, cells, different in counted(options.vertices, options.edges, md5=options.md5):
        total += different
        seconds = perf_counter() - began
        print(f"{vertices:>8} {n:>10,} {cells:>12,} {different:>12,} {seconds:>8.1f}", flush=True)
    print(f"different cells in all: {total:,}")
    asked = (options.vertices, options.edges) == (VERTICES, MOST_EDGES)
    return 1 if asked and total != PUBLISHED else 0


if __name__ == "__main__":
    sys.exit(main())
