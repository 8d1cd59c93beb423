"""Tables from files: public releases of benchmarks (see `releases`), CSV, compressed (`.csv.gz`) or not,
Parquet (`.parquet`), and NumPy's (`.npz`, see `nasturtium.tables.arrays`).

A CSV or Parquet file with a column `arch` holds cells in NAS-Bench-201's notation. Any other has a column for
each decision, and beside it `<name>.space.json`, the space as `SearchSpace.to_dict` writes it; a decision
that is switched off is an empty field. All other columns are metrics if they hold finite numbers in every
row.
"""

import csv
import gzip
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.arrays import read_arrays
from nasturtium.tables.base import Row, Table
from nasturtium.tables.nasbench201 import SPACE, row_of
from nasturtium.tables.releases.known import reader_of
from nasturtium.tables.rows import refuse_foreign

Fields = dict[str, Sequence[Any]]
"""The columns of a file by name: texts of a CSV file, values of their own type of another."""


def read_table(path: Path) -> Table:
    """The table in a file; raises `UsageError` for one that is not there or not as this module says."""
    try:
        if (release := reader_of(path)) is not None:
            return release(path)
        if path.suffix == ".npz":
            return read_arrays(path)
        fields = _parquet(path) if path.suffix == ".parquet" else _csv(path)
        stem = path.name.removesuffix(".gz").removesuffix(".csv").removesuffix(".parquet")
        declared = path.with_name(f"{stem}.space.json")
        if declared.exists():
            space, rows = _declared(declared, fields)
        elif "arch" in fields:
            space, rows = SPACE, [row_of(str(cell)) for cell in fields.pop("arch")]
        else:
            raise UsageError(f"it has no column 'arch', and there is no {declared.name} beside it")
        return Table(space, rows, _numbers(fields))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _csv(path: Path) -> Fields:
    try:
        packed = path.read_bytes()
        text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()
        header, *lines = csv.reader(io.StringIO(text))
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise UsageError(f"it can't be read as a table: {error or 'it is empty'}") from None
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise UsageError(f"line {number}: {len(line)} fields instead of {len(header)}")
    return {name: [line[i] for line in lines] for i, name in enumerate(header)}


def _parquet(path: Path) -> Fields:
    try:
        from pyarrow import ArrowException, parquet  # an extra
    except ImportError:
        raise UsageError("Parquet files need pyarrow: pip install 'nasturtium[parquet]'") from None
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise UsageError(f"it can't be read as a table: {error}") from None
    return {name: table.column(name).to_pylist() for name in table.column_names}


def _declared(path: Path, fields: Fields) -> tuple[SearchSpace, list[Row]]:
    """The space of a file, and the rows of the columns that are its decisions, which are taken out."""
    try:
        space = SearchSpace.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path.name} is no search space: {error}") from None
    missing = [name for name in space.decisions if name not in fields]
    if missing:
        raise UsageError(f"there is no column for the decision {missing[0]!r} of {path.name}")
    values = [_values(decision, fields.pop(name)) for name, decision in space.decisions.items()]
    rows = list(zip(*values, strict=True))
    refuse_foreign(space, rows)
    return space, rows


def _values(decision: Decision, fields: Sequence[Any]) -> list[Value | None]:
    """Values as they are, or as texts, in which k of n are separated by spaces."""
    known: dict[Any, Value | None] = {value: value for value in decision.values()}
    known |= {_written(value): value for value in decision.values()}
    known[""] = known[None] = None
    keys = list(map(_key, fields))
    for number, key in enumerate(keys, start=1):
        if key not in known:
            raise UsageError(f"row {number}: decision {decision.name!r} has no option {key!r}")
    return [known[key] for key in keys]


def _written(value: Value) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _key(field: Any) -> str | int | float | None:
    if isinstance(field, float) and math.isnan(field):
        return None  # so some programs store what is missing in a column of numbers
    return field if field is None or isinstance(field, str | int | float) else str(field)


def _numbers(fields: Mapping[str, Sequence[Any]]) -> dict[str, np.ndarray]:
    columns = {}
    for name, values in fields.items():
        try:
            column = np.array(values, dtype=float)
        except (ValueError, TypeError):
            continue  # a comment, a name
        if column.ndim == 1 and np.isfinite(column).all():
            columns[name] = column
    if not columns:
        raise UsageError("no column holds numbers in every row")
    return columns
