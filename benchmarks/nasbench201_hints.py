"""`auto` on NAS-Bench-201, with and without published zero-cost scores of the cells as hints.

The scores (NAS-Bench-Suite-Zero, https://arxiv.org/abs/2210.03230) are known of cells whose every operation
counts. Another cell has those of one that computes the same; where there is none, nothing reaches the
output, and it has the lowest of each. All of them were measured on CIFAR-10 before any training.
"""

import argparse
import csv
import gzip
import time
from pathlib import Path

import numpy as np

from nasturtium.bench.compare import Benchmark, compare
from nasturtium.bench.entrants import entrants
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Hints
from nasturtium.tables.base import Table
from nasturtium.tables.files import read_table
from nasturtium.tables.nasbench201 import row_of

DATA = ("cifar10", "cifar100", "imagenet16-120")
TRAINED = "cifar10_val_acc_200ep"  # what the file knows only after training


def zero_cost(path: Path, table: Table) -> Hints:
    """All scores of a file, for every cell of the table."""
    with gzip.open(path, "rt") as file:
        lines = list(csv.DictReader(file))
    names = [name for name in lines[0] if name not in ("arch", TRAINED)]
    scores = {row_of(line["arch"]): [float(line[name]) for name in names] for line in lines}
    rows = list(table)
    forms = [
        table.space.canonical(table.space.validate(dict(zip(table.space.decisions, r, strict=True))))
        for r in rows
    ]
    same = {form: scores[row] for form, row in zip(forms, rows, strict=True) if row in scores}
    lowest = np.min(list(scores.values()), axis=0)
    known = np.array([scores.get(row, same.get(form, lowest)) for form, row in zip(forms, rows, strict=True)])
    print(f"{len(names)} scores: {', '.join(names)}")
    return lambda archs: known[table.rows(archs)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    parser.add_argument("scores", type=Path)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--queries", type=int, default=200)
    given = parser.parse_args()
    table = read_table(given.table)
    hints = zero_cost(given.scores, table)
    print("\n| data | hints | after 50 | after 100 | after 200 | queries to the 16 best | seconds |")
    print("|---|---|---|---|---|---|---|")
    for data in DATA:
        signal, report = (Objective(f"{data}_{name}", "max") for name in ("val_acc_12ep", "test_acc_200ep"))
        for label, known in (("none", None), ("zero-cost", hints)):
            benchmark = Benchmark(table, (signal,), (report,), given.queries, hints=known)
            began = time.perf_counter()
            (auto,) = compare(benchmark, entrants(["auto"]), given.seeds)
            points = [min(n, given.queries) for n in (50, 100, 200)]
            means = [f"{mean:.2f} ± {half:.2f}" for mean, half in map(auto.after, points)]
            met = np.median(auto.top)
            print(f"| {data} | {label} | {' | '.join(means)} | {met:g} | {time.perf_counter() - began:.0f} |")


if __name__ == "__main__":
    main()
