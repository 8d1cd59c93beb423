"""Tables as NumPy files (`.npz`), which can hold curves and are quick to read.

- `space` is a text, the space as `json.dumps(space.to_dict())` writes it;
- each decision has an array of its name, with a whole number for each row: the position of the value among
  `Decision.values()`, from 0, or -1 where the decision is switched off;
- other arrays of numbers are metrics if all are finite: columns if they have one dimension, curves, rows ×
  epochs, if they have two. Texts are remarks.
"""

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table
from nasturtium.tables.rows import refuse_foreign

TAKEN = ("file", "allow_pickle")  # by NumPy's function that writes
UNREADABLE = (OSError, EOFError, ValueError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def read_arrays(path: Path) -> Table:
    """The table in a NumPy file; raises `UsageError`, without the file's name, for one that is not as this
    module says.
    """
    arrays = _load(path)
    space = _space(arrays.pop("space", None))
    values = {name: _values(d, arrays.pop(name, None)) for name, d in space.decisions.items()}
    if len(set(map(len, values.values()))) > 1:
        lengths = ", ".join(f"{name} {len(numbers)}" for name, numbers in values.items())
        raise UsageError(f"decisions have arrays of different lengths: {lengths}")
    rows = list(zip(*values.values(), strict=True))
    refuse_foreign(space, rows)
    metrics = {name: array.astype(float) for name, array in arrays.items() if _finite(array)}
    for name, array in metrics.items():
        if array.ndim not in (1, 2):
            raise UsageError(f"array {name!r} is no column and no curve: its shape is {array.shape}")
    if not metrics:
        raise UsageError("no array holds finite numbers")
    columns = {name: array for name, array in metrics.items() if array.ndim == 1}
    return Table(space, rows, columns, {name: a for name, a in metrics.items() if name not in columns})


def _load(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.exists() and not zipfile.is_zipfile(path):
            raise ValueError("it is no whole .npz file, such as np.savez writes")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except UNREADABLE as error:
        hint = "; objects are never loaded, save numbers and texts" if "pickle" in str(error) else ""
        raise UsageError(f"it can't be read as a table: {error}{hint}") from None


def _space(text: np.ndarray | None) -> SearchSpace:
    if text is None:
        raise UsageError("it has no array 'space'; save json.dumps(space.to_dict()) as one")
    try:
        return SearchSpace.from_dict(json.loads(str(text)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"its array 'space' is no search space: {error}") from None


def _values(decision: Decision, numbers: np.ndarray | None) -> list[Value | None]:
    """The value of each row."""
    name, values = decision.name, [*decision.values(), None]  # so that -1 is None
    if numbers is None:
        raise UsageError(f"there is no array for the decision {name!r}")
    if numbers.ndim != 1 or not np.issubdtype(numbers.dtype, np.integer):
        raise UsageError(
            f"decision {name!r} needs a whole number for each row, not {numbers.dtype} {numbers.shape}"
        )
    foreign = (numbers < -1) | (numbers >= len(values) - 1)
    if foreign.any():
        row = int(foreign.argmax())
        raise UsageError(
            f"row {row + 1}: decision {name!r} has no value number {numbers[row]}: they go from 0 to"
            f" {len(values) - 2}, and -1 is switched off"
        )
    return [values[number] for number in numbers.tolist()]


def _finite(array: np.ndarray) -> bool:
    return array.dtype.kind in "biuf" and bool(np.isfinite(array).all())


def write_table(path: Path, table: Table) -> None:
    """Write a table as a NumPy file; the same table makes the same bytes.

    Raises `UsageError` for another ending than `.npz`, for a space with constraints or a table whose rows are
    found by a key, which are code, and for columns that have the name of something else in the file.
    """
    space = table.space
    if path.suffix != ".npz":
        raise UsageError(f"tables are written as .npz files, not as {path.name}")
    if space.constraints:
        raise UsageError("this table's space has constraints; they are code, which no file holds")
    if table.key is not None:
        raise UsageError("this table's rows are found by a key; it is code, which no file holds")
    content: dict[str, Any] = {"space": json.dumps(space.to_dict()), **_numbers(space, table)}
    for name, metric in {**table.columns, **table.curves}.items():  # a curve is no column in the file
        if name in content or name in TAKEN:
            raise UsageError(f"a column can't be called {name!r} in a file; give it another name")
        content[name] = metric
    np.savez_compressed(path, **content)


def _numbers(space: SearchSpace, table: Table) -> dict[str, np.ndarray]:
    """The value numbers of each decision."""
    arrays: dict[str, np.ndarray] = {}
    for (name, decision), values in zip(space.decisions.items(), zip(*table, strict=True), strict=True):
        number: dict[Value | None, int] = {value: i for i, value in enumerate(decision.values())}
        number[None] = -1
        arrays[name] = np.array([number[value] for value in values], dtype=np.int32)
    return arrays
