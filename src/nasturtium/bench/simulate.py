"""A strategy's search on a table, on a clock of its own."""

import heapq
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count

import numpy as np

from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Strategy
from nasturtium.problem.records import Fidelity, Measurement, Proposal, Trial
from nasturtium.strategies.rungs import geometric
from nasturtium.tables.base import Table


@dataclass(frozen=True)
class History:
    """What was found, in the order in which the results came: the table's rows, when each came, in simulated
    seconds, after how many `epochs` of training its signal was seen, the signal as a loss, and what was
    `spent` on it and all before it, in full trainings.
    """

    rows: np.ndarray
    seconds: np.ndarray
    epochs: np.ndarray
    losses: np.ndarray
    spent: np.ndarray

    def incumbents(self) -> np.ndarray:
        """After each result, the position of the best one so far: of those at the highest fidelity so far
        that with the best signal, the earliest of equals.
        """
        best, found = 0, np.zeros(len(self.rows), dtype=int)
        for at, (epochs, loss) in enumerate(zip(self.epochs.tolist(), self.losses.tolist(), strict=True)):
            if (-epochs, loss) < (-self.epochs[best], self.losses[best]):
                best = at
            found[at] = best
        return found

    def chosen(self, queries: int) -> np.ndarray:
        """The row of the incumbent once 1, 2, … `queries` full trainings are spent. What is not over by then
        does not count; a search that ends before keeps its last.
        """
        results = np.searchsorted(self.spent, np.arange(1, queries + 1) + 1e-9, side="right")
        rows: np.ndarray = self.rows[self.incumbents()[results - 1]]
        return rows


def fidelities(table: Table, signal: str) -> tuple[Fidelity, ...]:
    """Rungs up to all epochs of the table, if it knows the signal after each of them; else only one."""
    return geometric(table.epochs) if signal in table.curves else (Fidelity(table.epochs),)


def simulate(
    strategy: Strategy,
    table: Table,
    objective: Objective,
    *,
    queries: int,
    workers: int = 1,
    seconds: np.ndarray | None = None,
) -> History:
    """What `strategy` looks up until as many epochs are spent as `queries` full trainings have, repeated
    architectures counted again; less if it is finished before.

    A result shows the signal after the trial's epochs, and the curve up to there. `workers` evaluate at the
    same time, each result coming when the time of its part is over: of its architecture's `seconds` (1 by
    default) for all epochs, the share of the epochs that it adds to its parent. As in a study, whenever a
    worker is free the strategy is asked, unless it waits for a result.
    """
    full = table.epochs
    running: list[tuple[float, int, int, Proposal]] = []
    told: dict[int, int] = {}  # epochs by trial
    found: list[tuple[int, float, int, float, float]] = []
    numbers, now, waiting, begun, spent = count(), 0.0, False, 0, 0
    while True:
        want = min(workers - len(running), math.ceil(queries - begun / full))
        if want > 0 and not waiting:
            proposals = strategy.ask(want)
            waiting = len(proposals) < want
            for proposal, row in zip(proposals, table.rows([p.arch for p in proposals]), strict=True):
                added = _added(proposal, told, full)
                takes = (1.0 if seconds is None else float(seconds[row])) * added / full
                begun += added
                heapq.heappush(running, (now + takes, next(numbers), row, proposal))
        if not running:
            return History(*(np.array(column) for column in zip(*found, strict=True)))
        now, number, row, proposal = heapq.heappop(running)
        spent += _added(proposal, told, full)
        trial = _looked_up(table, objective, number, proposal, row)
        told[number] = _epochs(proposal, full)
        found.append((row, now, told[number], trial.losses[0], spent / full))
        strategy.tell([trial])
        waiting = False


def _epochs(proposal: Proposal, full: int) -> int:
    return full if proposal.fidelity is None else proposal.fidelity.epochs


def _added(proposal: Proposal, told: Mapping[int, int], full: int) -> int:
    """The epochs that a proposal adds to those of its parent."""
    return _epochs(proposal, full) - (0 if proposal.parent is None else told[proposal.parent])


def _looked_up(table: Table, objective: Objective, number: int, proposal: Proposal, row: int) -> Trial:
    """What the table says about a proposal, as its trial."""
    metric, epochs = objective.metric, _epochs(proposal, table.epochs)
    metrics = {metric: float(table.column(metric, epochs)[row])}
    seen = table.curves[metric][row, :epochs].tolist() if metric in table.curves else []
    measured = Measurement(metrics, curve=tuple({metric: value} for value in seen))
    return Trial(number, proposal, "ok", (objective.loss(metrics),), measured)
