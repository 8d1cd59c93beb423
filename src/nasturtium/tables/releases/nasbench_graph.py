"""The release of NAS-Bench-Graph (Qin et al. 2022, https://arxiv.org/abs/2206.09166): files `<data
set>.bench` with what was found in the end, and `<data set>0.bench`, … `2.bench` with every epoch of one of
three seeds.

A file is a pickled dictionary by the network's number, which `benchmark_key` explains. Of each network it has
`valid_perf`, `perf`, `latency` and `para`, or under `dur` a list for each epoch: performance in training, in
validation and in the test, the three losses, and the best performance. This is described by the README of
https://github.com/THUMNLab/NAS-Bench-Graph.

Columns are `<data set>_val_perf` and `<data set>_test_perf`, from 0 to 1, with `dur` as curves; `<data
set>_latency` as in the file, and `<data set>_params` in 10⁶. Networks that compute the same have one row. On
proteins fewer operations were tried: the table's space has those that are in the file.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Row, Table
from nasturtium.tables.nasbench_graph import DECISIONS, LINKS, NODES, OPERATIONS, SPACE, benchmark_key
from nasturtium.tables.restricted_pickle import load_pickle

COLUMNS = {"val_perf": "valid_perf", "test_perf": "perf", "latency": "latency", "params": "para"}
CURVES = {"val_perf": 1, "test_perf": 2}  # their place in the list of an epoch


def read(path: Path) -> Table:
    """The table in a file; raises `UsageError` for one that is not as said above, and for a number that is of
    no network.
    """
    data = load_pickle(path)
    if not isinstance(data, dict) or not data:
        raise UsageError("it is no dictionary of networks, as files of NAS-Bench-Graph are")
    rows = [_row(number) for number in data]
    dataset = re.sub(r"\d$", "", path.stem)
    try:
        columns, curves = _columns(dataset, data)
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"its networks are in another form than NAS-Bench-Graph's: {error!r}") from None
    if not columns and not curves:
        raise UsageError("its networks have neither 'valid_perf' and 'perf' nor 'dur'")
    table = Table(_space(rows), rows, columns, curves, key=benchmark_key)
    for given, number in zip(data, table.keys, strict=True):
        if given != number:
            raise UsageError(
                f"the network with the number {given} has the number {number} in NAS-Bench-Graph"
            )
    return table


def _row(number: Any) -> Row:
    digits = f"{number:0{NODES + 1}d}" if isinstance(number, int) and number >= 0 else ""
    if len(digits) != NODES + 1 or "9" in digits or digits.endswith("8" * NODES):
        raise UsageError(f"{number!r} is not the number of a network of NAS-Bench-Graph")
    links, *operations = map(int, digits)
    return (LINKS[links], *(OPERATIONS[operation] for operation in operations))


def _space(rows: Sequence[Row]) -> SearchSpace:
    """The space with the operations that are in these rows."""
    tried = {operation for _, *operations in rows for operation in operations}
    kept = [operation for operation in OPERATIONS if operation in tried]
    return SPACE.restrict({decision.name: kept for decision in DECISIONS[1:]})


def _columns(
    dataset: str, data: Mapping[int, Mapping[str, Any]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The columns and the curves; of what is both, the curve."""
    first = next(iter(data.values()))
    curves = {}
    if "dur" in first:
        epochs = np.array([network["dur"] for network in data.values()], dtype=float)
        curves = {f"{dataset}_{name}": epochs[:, :, place] for name, place in CURVES.items()}
    columns = {
        f"{dataset}_{name}": np.array([network[key] for network in data.values()], dtype=float)
        for name, key in COLUMNS.items()
        if key in first and f"{dataset}_{name}" not in curves
    }
    return columns, curves
