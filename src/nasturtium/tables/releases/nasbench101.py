"""The release of NAS-Bench-101 (Ying et al. 2019, https://arxiv.org/abs/1902.09635): `nasbench_full.tfrecord`
and `nasbench_only108.tfrecord`.

A record is the JSON list [module hash, epochs, adjacency matrix as digits, operations with commas between,
metrics], one for each training of a cell. The metrics are a message `ModelMetrics` in base64. It has an
evaluation at the start (1), halfway (2) and at the end (3), each with training seconds (field 2) and
accuracies on training (3), validation (4) and test images (5); and the number of parameters. This is
described by `nasbench/api.py` and `nasbench/lib/model_metrics.proto` of
https://github.com/google-research/nasbench.

Columns are means over the trainings of a cell (three in the release): `cifar10_val_acc_<E>ep` and
`cifar10_test_acc_<E>ep` in percent, `cifar10_train_seconds_<E>ep`, for each number of epochs E in the file
(4, 12, 36, 108 or only 108), and `params`. Trainings of fewer epochs are trainings of their own, with a
learning rate that ends earlier. Cells that compute the same have one row, which is found by the benchmark's
own hash.
"""

import base64
import json
from array import array
from collections import defaultdict
from dataclasses import dataclass
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.tables.base import Row, Table
from nasturtium.tables.nasbench101 import SPACE, from_spec, module_hash, to_spec
from nasturtium.tables.protobuf import fields
from nasturtium.tables.tfrecord import records

EVALUATIONS, PARAMETERS = 1, 2  # fields of ModelMetrics
SECONDS, VALIDATION, TEST = 2, 4, 5  # fields of EvaluationData
END = 2  # the evaluation at the end
MEASURED = {"cifar10_val_acc": 100, "cifar10_test_acc": 100, "cifar10_train_seconds": 1}  # with their scale


class Training(NamedTuple):
    """What a record says: `values` in the order of `MEASURED`."""

    key: str
    epochs: int
    matrix: str
    operations: str
    params: int
    values: tuple[float, float, float]


@dataclass
class Trainings:
    """Trainings of so many epochs: the number of each one's cell, and its values one after the other."""

    cells: "array[int]"
    values: "array[float]"

    def means(self, cells: int) -> np.ndarray:
        """The mean of each value over the trainings of a cell, cells × values; NaN where there are none."""
        at = np.array(self.cells)
        columns = np.array(self.values).reshape(len(at), -1).T
        with np.errstate(invalid="ignore"):  # 0/0
            counts = np.bincount(at, minlength=cells)
            return np.stack([np.bincount(at, column, minlength=cells) / counts for column in columns], 1)


def read(path: Path) -> Table:
    """The table in a file; raises `UsageError` for a record that is not as said above, or not of a cell of
    the space, and for a cell without trainings of some number of epochs.
    """
    cells: dict[str, int] = {}
    rows: list[Row] = []
    params: list[float] = []
    trainings: dict[int, Trainings] = defaultdict(lambda: Trainings(array("l"), array("d")))
    for number, record in enumerate(records(path), start=1):
        try:
            training = _training(record)
            if training.key not in cells:
                rows.append(_row(training))
                params.append(training.params)
            cell = cells.setdefault(training.key, len(cells))
        except ValueError as error:
            raise UsageError(f"record {number} is no training of NAS-Bench-101: {error}") from None
        except (TypeError, LookupError) as error:
            raise UsageError(f"record {number} is no training of NAS-Bench-101: {error!r}") from None
        trainings[training.epochs].cells.append(cell)
        trainings[training.epochs].values.extend(training.values)
    if not cells:
        raise UsageError("it holds no records")
    columns = {"params": np.array(params, dtype=float)}
    for epochs in sorted(trainings):
        means = trainings[epochs].means(len(cells))
        if np.isnan(means).any():
            missing = list(cells)[int(np.argmax(np.isnan(means).any(axis=1)))]
            raise UsageError(
                f"cell {missing} has no training of {epochs} epochs, others have: not all is there"
            )
        for (name, scale), column in zip(MEASURED.items(), means.T, strict=True):
            columns[f"{name}_{epochs}ep"] = scale * column
    table = Table(SPACE, rows, columns, key=lambda arch: module_hash(to_spec(arch)))
    for given, key in zip(cells, table.keys, strict=True):
        if given != key:
            raise UsageError(f"the cell with the hash {given} has the hash {key}: the file is damaged")
    return table


def _training(record: bytes) -> Training:
    key, epochs, matrix, operations, packed = json.loads(record)
    metrics = fields(base64.b64decode(packed))
    end = fields(metrics[EVALUATIONS][END])
    values = (end[VALIDATION][0], end[TEST][0], end[SECONDS][0])
    return Training(key, int(epochs), matrix, operations, metrics[PARAMETERS][0], values)


def _row(training: Training) -> Row:
    n = isqrt(len(training.matrix))
    matrix = [[int(digit) for digit in training.matrix[n * i : n * (i + 1)]] for i in range(n)]
    arch = from_spec(matrix, training.operations.split(","))
    return tuple(arch[name] for name in SPACE.decisions)
