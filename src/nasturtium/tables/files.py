"""Tables from files: public releases of benchmarks, see `releases`, or CSV, compressed (`.csv.gz`) or not.

A CSV file with a column `arch` holds cells in NAS-Bench-201's notation. Any other has a column for each
decision, and beside it `<name>.space.json`, the space as `SearchSpace.to_dict` writes it; a decision that is
switched off is an empty field. All other columns are metrics if they hold finite numbers in every row.
"""

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Row, Table
from nasturtium.tables.nasbench201 import SPACE, row_of
from nasturtium.tables.releases.known import reader_of


def read_table(path: Path) -> Table:
    """The table in a file; raises `UsageError` for one that is not there or not as this module says."""
    if (release := reader_of(path)) is not None:
        try:
            return release(path)
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None
    try:
        packed = path.read_bytes()
        text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode()
        header, *lines = csv.reader(io.StringIO(text))
    except (OSError, ValueError, EOFError, csv.Error) as error:
        raise UsageError(f"{path} can't be read as a table: {error or 'it is empty'}") from None
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise UsageError(f"{path}, line {number}: {len(line)} fields instead of {len(header)}")
    fields: dict[str, Sequence[str]] = {name: [line[i] for line in lines] for i, name in enumerate(header)}
    declared = path.with_name(path.name.removesuffix(".gz").removesuffix(".csv") + ".space.json")
    try:
        if declared.exists():
            space, rows = _declared(declared, fields)
        elif "arch" in fields:
            space, rows = SPACE, [row_of(cell) for cell in fields.pop("arch")]
        else:
            raise UsageError(f"it has no column 'arch', and there is no {declared.name} beside it")
        return Table(space, rows, _numbers(fields))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _declared(path: Path, fields: dict[str, Sequence[str]]) -> tuple[SearchSpace, list[Row]]:
    """The space of a file, and the rows of the columns that are its decisions, which are taken out."""
    try:
        space = SearchSpace.from_dict(json.loads(path.read_text()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path.name} is no search space: {error}") from None
    missing = [name for name in space.decisions if name not in fields]
    if missing:
        raise UsageError(f"there is no column for the decision {missing[0]!r} of {path.name}")
    values = [_values(decision, fields.pop(name)) for name, decision in space.decisions.items()]
    return space, list(zip(*values, strict=True))


def _values(decision: Decision, texts: Sequence[str]) -> list[Value | None]:
    """Values as the decision writes them; k of n are separated by spaces."""
    known: dict[str, Value | None] = {_written(value): value for value in decision.values()}
    known[""] = None
    for number, text in enumerate(texts, start=2):
        if text not in known:
            raise UsageError(f"line {number}: decision {decision.name!r} has no option {text!r}")
    return [known[text] for text in texts]


def _written(value: Value) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _numbers(fields: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    columns = {}
    for name, texts in fields.items():
        try:
            column = np.array(texts, dtype=float)
        except ValueError:
            continue  # a comment, a name
        if np.isfinite(column).all():
            columns[name] = column
    if not columns:
        raise UsageError("no column holds numbers in every row")
    return columns
