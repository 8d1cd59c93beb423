"""The release of HW-NAS-Bench (Li et al. 2021, https://arxiv.org/abs/2103.10584): `HW-NAS-Bench-v1_0.pickle`.

The file is a dictionary. Under `nasbench201` it has for each of cifar10, cifar100 and ImageNet16-120 the list
`config`, whose items tell their cell as `arch_str`, and a list for each metric in the same order. This is
described by `hw_nas_bench_api/hw_nas_bench_api.py` of https://github.com/GATECH-EIC/HW-NAS-Bench.

Columns are `<data set>_<metric>` in small letters, such as `cifar10_edgegpu_latency` (ms) and
`cifar10_edgegpu_energy` (mJ); one that has not a finite number for every cell is left out.

Under `fbnet` the file has costs of single blocks, which are no table of architectures: see `hw_fbnet`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.tables.base import Row, Table
from nasturtium.tables.nasbench201 import SPACE, row_of
from nasturtium.tables.restricted_pickle import load_pickle


def read(path: Path) -> Table:
    """The table in a file; raises `UsageError` for one that is not as said above."""
    rows: dict[Row, int] = {}
    columns: dict[str, np.ndarray] = {}
    for dataset, measured in part(path, "nasbench201").items():
        try:
            cells = [row_of(config["arch_str"]) for config in measured["config"]]
            rows = rows or {cell: row for row, cell in enumerate(cells)}
            at = [rows[cell] for cell in cells]
            if sorted(at) != list(range(len(rows))):
                raise UsageError("its cells are not those of the other data sets, each once")
            columns |= _columns(dataset.lower(), measured, at)
        except ValueError as error:
            raise UsageError(f"what it has of {dataset} can't be read: {error}") from None
        except (LookupError, TypeError, AttributeError) as error:
            raise UsageError(f"what it has of {dataset} is in another form: {error!r}") from None
    if not columns:
        raise UsageError("no metric is known of every cell")
    return Table(SPACE, rows, columns)


def part(path: Path, space: str) -> dict[str, Any]:
    """What the file has of a space; raises `UsageError` where it has nothing."""
    data = load_pickle(path)
    found = data.get(space) if isinstance(data, dict) else None
    if not found or not isinstance(found, dict):
        raise UsageError(f"it has no part {space!r}, as the file of HW-NAS-Bench has")
    return found


def _columns(dataset: str, measured: Mapping[str, Any], at: list[int]) -> dict[str, np.ndarray]:
    """The metrics of one data set, in the order of the table's rows."""
    found = {}
    for metric, values in measured.items():
        if metric == "config":
            continue
        column = np.full(len(at), np.nan)
        column[at] = np.asarray(values, dtype=float).reshape(len(at))
        if np.isfinite(column).all():
            found[f"{dataset}_{metric}"] = column
    return found
