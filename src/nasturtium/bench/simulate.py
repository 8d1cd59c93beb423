"""A strategy's search on a table, on a clock of its own."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Strategy
from nasturtium.problem.records import Measurement, Proposal, Trial
from nasturtium.tables.base import Table


@dataclass(frozen=True)
class History:
    """What was found, in the order in which the results came: the table's rows, when each came, in simulated
    seconds, the signals that were told, as losses (results × objectives), and the queries `spent` by then.
    """

    rows: np.ndarray
    seconds: np.ndarray
    losses: np.ndarray
    spent: np.ndarray


def simulate(
    strategy: Strategy,
    table: Table,
    *,
    queries: int,
    workers: int = 1,
    seconds: np.ndarray | None = None,
) -> History:
    """What `strategy` looks up in `queries` queries, repeated architectures counted again; fewer if it is
    finished before. It is told the columns that are its problem's objectives. Raises `UsageError` for one
    that proposes nothing.

    `workers` evaluate at the same time, each result coming when its architecture's `seconds` (1 by default)
    are over, as in a study: whenever one is free the strategy is asked, unless it waits for a result.
    """
    metrics = [objective.metric for objective in strategy.problem.objectives]
    running: list[tuple[float, int, int, Proposal]] = []
    numbers, now, waiting = count(), 0.0, False
    results: list[tuple[int, float, tuple[float, ...]]] = []
    while True:
        want = min(workers - len(running), queries - len(results) - len(running))
        if want > 0 and not waiting:
            proposals = strategy.ask(want)
            waiting = len(proposals) < want
            for proposal, row in zip(proposals, table.rows([p.arch for p in proposals]), strict=True):
                takes = 1.0 if seconds is None else float(seconds[row])
                heapq.heappush(running, (now + takes, next(numbers), row, proposal))
        if not running:
            return _history(results)
        now, number, row, proposal = heapq.heappop(running)
        found = {metric: float(table.column(metric)[row]) for metric in metrics}
        losses = strategy.problem.losses(found)
        results.append((row, now, losses))
        strategy.tell([Trial(number, proposal, "ok", losses, Measurement(found))])
        waiting = False


def _history(results: Sequence[tuple[int, float, tuple[float, ...]]]) -> History:
    if not results:
        raise UsageError("the strategy proposed nothing")
    rows, seconds, losses = (np.array(column) for column in zip(*results, strict=True))
    return History(rows, seconds, losses, np.arange(1, len(results) + 1))
