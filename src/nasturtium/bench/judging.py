"""What a search has found by now, as one number after each of its queries."""

from collections.abc import Sequence
from typing import Protocol

import moocore
import numpy as np

from nasturtium.bench.simulate import History
from nasturtium.problem.objectives import Objective
from nasturtium.tables.base import Table

TOP = 16  # of the best architectures one is to be found
MARGIN = 1.1  # the reference point lies so many times as far from the ideal point as the nadir point does


class Judge(Protocol):
    """`best` is the best there is in the table, `label` says what the values are."""

    label: str
    best: float
    larger_is_better: bool

    def values(self, found: History) -> np.ndarray:
        """A value after each result."""


def _signed(column: np.ndarray, objective: Objective) -> np.ndarray:
    return column if objective.goal == "min" else -column


class Incumbent:
    """The reported value of the best signal so far among those at the highest fidelity so far, the earliest
    of equals.
    """

    def __init__(self, table: Table, report: Objective) -> None:
        self._reported = table.column(report.metric)
        self.label = report.metric
        self.larger_is_better = report.goal == "max"
        self.best = float(self._reported.max() if self.larger_is_better else self._reported.min())

    def values(self, found: History) -> np.ndarray:
        """The reported value after each result."""
        best, leaders = 0, []
        ranks = list(zip((-found.epochs).tolist(), found.losses[:, 0].tolist(), strict=True))
        for at, rank in enumerate(ranks):
            best = at if rank < ranks[best] else best
            leaders.append(best)
        reported: np.ndarray = self._reported[found.rows[leaders]]
        return reported


class FrontVolume:
    """The hypervolume, in the reported columns, of the front that the signals make so far.

    The front holds what no other result equals or betters in all signals, of equals the earliest, among
    results at the highest fidelity so far. The reported columns are scaled so that the ideal point (the best
    of each in the whole table) is 0 and the nadir point (the worst of each on the table's own front by the
    reported columns) is 1; where these agree, the worst of the table is 1. The reference point is 1.1 in
    each. Values are shares of the hypervolume of the table's own front, which has 1.
    """

    best = 1.0
    larger_is_better = True

    def __init__(self, table: Table, reports: Sequence[Objective]) -> None:
        self.label = f"hypervolume of {' and '.join(report.metric for report in reports)}"
        found = np.stack([_signed(table.column(report.metric), report) for report in reports], axis=1)
        front = found[moocore.is_nondominated(found)]
        ideal, nadir = front.min(axis=0), front.max(axis=0)
        extent = np.where(nadir > ideal, nadir, found.max(axis=0)) - ideal
        self._reported = (found - ideal) / np.where(extent > 0, extent, 1.0)
        self._reference = np.full(len(reports), MARGIN)
        self._whole = self._volume(np.flatnonzero(moocore.is_nondominated(found)))

    def values(self, found: History) -> np.ndarray:
        """The share of the hypervolume after each result."""
        front, share, shares = np.array([], dtype=int), 0.0, []
        highest = np.maximum.accumulate(found.epochs)
        for at, new in enumerate(found.losses):
            front = front[found.epochs[front] == highest[at]]
            known = found.losses[front]
            if found.epochs[at] == highest[at] and not (known <= new).all(axis=1).any():
                front = np.append(front[~(new <= known).all(axis=1)], at)
                share = self._volume(found.rows[front]) / self._whole
            shares.append(share)
        return np.array(shares)

    def _volume(self, rows: np.ndarray) -> float:
        return float(moocore.hypervolume(self._reported[rows], ref=self._reference))


def queries_to_top(table: Table, signal: Objective, found: History, *, most: int = TOP) -> float:
    """How many queries it takes to meet one of the table's `most` best by the signal, or one that equals the
    last of these, at full fidelity; infinite if none is met.
    """
    signals = _signed(table.column(signal.metric), signal)
    last = np.sort(signals)[min(most, len(signals)) - 1]
    met = found.spent[(signals[found.rows] <= last) & (found.epochs == table.epochs)]
    return float(met[0]) if len(met) else float("inf")
