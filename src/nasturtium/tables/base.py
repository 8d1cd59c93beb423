"""A table: what is known of the architectures of a space, looked up instead of trained."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Cost, Measurement
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.space.search_space import SearchSpace

Row = tuple[Value | None, ...]
"""An architecture as values in the order of a space's decisions, None for those that are switched off."""


class Table(Estimator):
    """Architectures of `space`, one row each, and columns of what was measured of them.

    Raises `UsageError` for columns of another length and for an architecture in two rows.
    """

    def __init__(self, space: SearchSpace, rows: Iterable[Row], columns: Mapping[str, np.ndarray]) -> None:
        self.space = space
        self._names = tuple(space.decisions)
        self._at: dict[Row, int] = {}
        for number, row in enumerate(rows):
            if self._at.setdefault(row, number) != number:
                raise UsageError(f"rows {self._at[row] + 1} and {number + 1} are of one architecture: {row}")
        self.columns = dict(columns)
        self.metrics = tuple(columns)
        for name, column in columns.items():
            if len(column) != len(self._at):
                raise UsageError(f"column {name!r} has {len(column)} values for {len(self._at)} rows")

    def __len__(self) -> int:
        return len(self._at)

    def column(self, name: str) -> np.ndarray:
        """A column by name; an unknown name is a `UsageError` with the nearest known ones."""
        if name not in self.columns:
            raise UsageError(f"unknown column {name!r}: {did_you_mean(name, self.columns)}")
        return self.columns[name]

    def rows(self, archs: Sequence[Architecture]) -> list[int]:
        """The row of each architecture, from 0; raises `UsageError` for one that is not in the table."""
        names, at = self._names, self._at
        try:
            return [at[tuple(map(arch.get, names))] for arch in archs]
        except KeyError:
            missing = next(a for a in archs if tuple(map(a.get, names)) not in at)
            why = self.space.why_not(missing) or "the table has no row for it"
            raise UsageError(f"architecture {missing.digest} {dict(missing)}: {why}") from None

    def evaluate(self, job: Job, report: Report) -> Measurement:
        """What the table says, for one query."""
        (row,) = self.rows([job.arch])
        return Measurement({name: float(c[row]) for name, c in self.columns.items()}, Cost(queries=1))
