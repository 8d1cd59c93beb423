"""A strategy's search on a table, on a clock of its own."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import count
from typing import Self

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Measurement, Proposal, Trial
from nasturtium.strategies.rungs import geometric
from nasturtium.tables.base import Table


@dataclass(frozen=True)
class History:
    """What was found, in the order in which the results came: the table's rows, when each came, in simulated
    seconds, after how many `epochs` of training its signals were seen, these as losses (results ×
    objectives), and what was `spent` on it and all before it, in full trainings.
    """

    rows: np.ndarray
    seconds: np.ndarray
    epochs: np.ndarray
    losses: np.ndarray
    spent: np.ndarray

    def within(self, queries: int) -> Self:
        """What was over when so many full trainings were spent; the rest does not count."""
        over = self.spent <= queries + 1e-9
        return type(self)(*(getattr(self, field.name)[over] for field in fields(self)))


def fidelities(table: Table, signals: Sequence[str]) -> tuple[Fidelity, ...]:
    """Rungs up to all epochs of the table, if it knows a signal after each of them; else only one."""
    known = not table.curves.keys().isdisjoint(signals)
    return geometric(table.epochs) if known else (Fidelity(table.epochs),)


def simulate(
    strategy: Strategy,
    table: Table,
    *,
    queries: int,
    workers: int = 1,
    seconds: np.ndarray | None = None,
) -> History:
    """What `strategy` looks up until as many epochs are spent as `queries` full trainings have, repeated
    architectures counted again; less if it is finished before. It is told the columns that are its
    problem's objectives. Raises `UsageError` for one that proposes nothing.

    A result shows the signals after the trial's epochs, and their curves up to there. `workers` evaluate at
    the same time, each result coming when the time of its part is over: of its architecture's `seconds` (1 by
    default) for all epochs, the share of the epochs that it adds to its parent. As in a study, whenever a
    worker is free the strategy is asked, unless it waits for a result.
    """
    full = table.epochs
    running: list[tuple[float, int, int, Proposal]] = []
    told: dict[int, int] = {}  # epochs by trial
    found: list[tuple[int, float, int, tuple[float, ...], float]] = []
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
            if not found:
                raise UsageError("the strategy proposed nothing")
            return History(*(np.array(column) for column in zip(*found, strict=True)))
        now, number, row, proposal = heapq.heappop(running)
        spent += _added(proposal, told, full)
        trial = _looked_up(table, strategy.problem, number, proposal, row)
        told[number] = _epochs(proposal, full)
        found.append((row, now, told[number], trial.losses, spent / full))
        strategy.tell([trial])
        waiting = False


def _epochs(proposal: Proposal, full: int) -> int:
    return full if proposal.fidelity is None else proposal.fidelity.epochs


def _added(proposal: Proposal, told: Mapping[int, int], full: int) -> int:
    """The epochs that a proposal adds to those of its parent."""
    return _epochs(proposal, full) - (0 if proposal.parent is None else told[proposal.parent])


def _looked_up(table: Table, problem: Problem, number: int, proposal: Proposal, row: int) -> Trial:
    """What the table says about a proposal, as its trial."""
    metrics, epochs = [objective.metric for objective in problem.objectives], _epochs(proposal, table.epochs)
    last = {metric: float(table.column(metric, epochs)[row]) for metric in metrics}
    curves = {
        metric: table.curves[metric][row, :epochs].tolist() for metric in metrics if metric in table.curves
    }
    curve = tuple(dict(zip(curves, point, strict=True)) for point in zip(*curves.values(), strict=True))
    return Trial(number, proposal, "ok", problem.losses(last), Measurement(last, curve=curve))
