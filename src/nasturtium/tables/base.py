"""A table: what is known of the architectures of a space, looked up instead of trained."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

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

    `curves` are columns with a value after each epoch of training, rows × epochs; there are as many epochs of
    each, `epochs` in all (1 without curves).

    Raises `UsageError` for columns or curves of another length, for one name of both, and for an architecture
    in two rows.
    """

    def __init__(
        self,
        space: SearchSpace,
        rows: Iterable[Row],
        columns: Mapping[str, np.ndarray],
        curves: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self.space = space
        self._names = tuple(space.decisions)
        self._at: dict[Row, int] = {}
        for number, row in enumerate(rows):
            if self._at.setdefault(row, number) != number:
                raise UsageError(f"rows {self._at[row] + 1} and {number + 1} are of one architecture: {row}")
        self.curves = dict(curves or {})
        self.columns = {**columns, **{name: curve[:, -1] for name, curve in self.curves.items()}}
        self.metrics = tuple(self.columns)
        self.epochs = max((curve.shape[1] for curve in self.curves.values()), default=1)
        self._refuse_sizes(columns.keys() & self.curves.keys())

    def _refuse_sizes(self, both: Collection[str]) -> None:
        for name in sorted(both):
            raise UsageError(f"{name!r} is both a column and a curve")
        for name, column in self.columns.items():
            if len(column) != len(self._at):
                raise UsageError(f"column {name!r} has {len(column)} values for {len(self._at)} rows")
        for name, curve in self.curves.items():
            if curve.shape[1] != self.epochs:
                raise UsageError(f"curve {name!r} has {curve.shape[1]} epochs, another one {self.epochs}")

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Row]:
        """The architecture of each row, in their order."""
        return iter(self._at)

    def column(self, name: str, epochs: int | None = None) -> np.ndarray:
        """A column by name, of a curve its value after `epochs` (by default all) epochs.

        Raises `UsageError` for an unknown name, with the nearest known ones, and for more epochs than there
        are.
        """
        if name not in self.columns:
            raise UsageError(f"unknown column {name!r}: {did_you_mean(name, self.columns)}")
        if epochs is None or name not in self.curves:
            return self.columns[name]
        if not 1 <= epochs <= self.epochs:
            raise UsageError(f"column {name!r} is known after 1 to {self.epochs} epochs, not {epochs}")
        after: np.ndarray = self.curves[name][:, epochs - 1]
        return after

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
        """What the table says after the job's epochs, for one query."""
        (row,) = self.rows([job.arch])
        metrics = {name: float(self.column(name, job.fidelity.epochs)[row]) for name in self.metrics}
        return Measurement(metrics, Cost(queries=1))
