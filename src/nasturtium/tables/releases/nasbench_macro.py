"""The release of NAS-Bench-Macro (Su et al. 2021, https://arxiv.org/abs/2103.11922):
`nas-bench-macro_cifar10.json`.

The file is a JSON object. By the network's eight digits it has `test_acc`, a list of three trainings,
`mean_acc` and `std` of them, `params` and `flops`, as the README of https://github.com/xiusu/NAS-Bench-Macro
describes it.

Columns are `cifar10_test_acc`, the mean, `cifar10_test_acc_1`, `_2` and `_3`, the single trainings, in
percent; `params` and `flops`. There is no validation accuracy: let strategies see one training and judge them
by the mean.
"""

import json
from pathlib import Path

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.tables.base import Table
from nasturtium.tables.nasbench_macro import SPACE, row_of


def read(path: Path) -> Table:
    """The table in a file; raises `UsageError` for one that is not as said above."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"it can't be read as JSON: {error}") from None
    if not isinstance(data, dict) or not data:
        raise UsageError("it is no JSON object of networks, as the file of NAS-Bench-Macro is")
    rows = [row_of(digits) for digits in data]
    try:
        trainings = np.array([network["test_acc"] for network in data.values()], dtype=float)
        columns = {
            "cifar10_test_acc": np.array([network["mean_acc"] for network in data.values()], dtype=float)
        }
        columns |= {f"cifar10_test_acc_{i}": column for i, column in enumerate(trainings.T, start=1)}
        for name in ("params", "flops"):
            columns[name] = np.array([network[name] for network in data.values()], dtype=float)
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"its networks are in another form than NAS-Bench-Macro's: {error!r}") from None
    return Table(SPACE, rows, columns)
