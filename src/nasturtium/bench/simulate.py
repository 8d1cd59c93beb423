"""A strategy's search on a table, on a clock of its own."""

import heapq
from dataclasses import dataclass
from itertools import count

import numpy as np

from nasturtium.problem.protocols import Strategy
from nasturtium.problem.records import Measurement, Proposal, Trial
from nasturtium.tables.base import Table


@dataclass(frozen=True)
class History:
    """The table's rows in the order in which their results came, and when each came, in simulated seconds."""

    rows: np.ndarray
    seconds: np.ndarray


def simulate(
    strategy: Strategy,
    table: Table,
    *,
    queries: int,
    workers: int = 1,
    seconds: np.ndarray | None = None,
) -> History:
    """What `strategy` looks up in `queries` queries, repeated architectures counted again; fewer if it is
    finished before. It is told the columns that are its problem's objectives.

    `workers` evaluate at the same time, each result coming when its architecture's `seconds` (1 by default)
    are over, as in a study: whenever one is free the strategy is asked, unless it waits for a result.
    """
    metrics = [objective.metric for objective in strategy.problem.objectives]
    running: list[tuple[float, int, int, Proposal]] = []
    numbers, now, waiting = count(), 0.0, False
    rows: list[int] = []
    times: list[float] = []
    while True:
        want = min(workers - len(running), queries - len(rows) - len(running))
        if want > 0 and not waiting:
            proposals = strategy.ask(want)
            waiting = len(proposals) < want
            for proposal, row in zip(proposals, table.rows([p.arch for p in proposals]), strict=True):
                takes = 1.0 if seconds is None else float(seconds[row])
                heapq.heappush(running, (now + takes, next(numbers), row, proposal))
        if not running:
            return History(np.array(rows, dtype=int), np.array(times))
        now, number, row, proposal = heapq.heappop(running)
        rows.append(row)
        times.append(now)
        found = {metric: float(table.column(metric)[row]) for metric in metrics}
        losses = strategy.problem.losses(found)
        strategy.tell([Trial(number, proposal, "ok", losses, Measurement(found))])
        waiting = False
