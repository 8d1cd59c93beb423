"""Strategies on one table at equal budgets: curves over several seeds, and who stands where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nasturtium.bench.simulate import fidelities, simulate
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.strategies.base import STRATEGIES
from nasturtium.tables.base import Table


@dataclass(frozen=True)
class Benchmark:
    """A search of `table`: strategies see the `signal`, and are judged by the `report` of what has the best
    signal so far at the highest fidelity so far, after each of `queries`. These are full trainings: what is
    trained for a part of the table's epochs is that part of one. `workers` are as in `simulate`, `seconds` is
    the column that says how long each architecture takes.
    """

    table: Table
    signal: Objective
    report: Objective
    queries: int
    workers: int = 1
    seconds: str | None = None

    def curve(self, name: str, seed: int) -> np.ndarray:
        """The reported value of the best signal after each query; a strategy that is finished keeps its."""
        rungs = fidelities(self.table, self.signal.metric)
        problem = Problem(self.table.space, (self.signal,), rungs)
        strategy = STRATEGIES.get(name)(problem, seed=seed)
        found = simulate(
            strategy,
            self.table,
            self.signal,
            queries=self.queries,
            workers=self.workers,
            seconds=None if self.seconds is None else self.table.column(self.seconds),
        )
        return self.table.column(self.report.metric)[found.chosen(self.queries)]

    @property
    def optimum(self) -> float:
        """The best value that could be reported."""
        column = self.table.column(self.report.metric)
        return float(column.min() if self.report.goal == "min" else column.max())


@dataclass(frozen=True)
class Standing:
    """How a strategy did: `curves` has one row per seed, a value for each number of queries.

    `rank` is its mean rank over seeds after the last query (1 is best, equals share theirs).
    """

    strategy: str
    curves: np.ndarray
    rank: float

    def after(self, queries: int) -> tuple[float, float]:
        """The mean over seeds after so many queries, and half the width of its 95 % confidence interval
        (Student's t; infinite for one seed).
        """
        values = self.curves[:, queries - 1]
        return float(values.mean()), half_width(values)

    @property
    def mean(self) -> float:
        """The mean over seeds and numbers of queries: the area under the curve, per query."""
        return float(self.curves.mean())


def half_width(values: np.ndarray) -> float:
    """Half the width of the 95 % confidence interval of the mean of n values."""
    n = len(values)
    if n < 2:
        return float("inf")
    return float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / n**0.5)


def compare(
    benchmark: Benchmark,
    strategies: Sequence[str],
    seeds: int,
    *,
    on_done: Callable[[str], None] = lambda _: None,
) -> list[Standing]:
    """Every strategy with every seed from 0, the best by mean rank first. Raises `UsageError` for names that
    are unknown or come twice; `on_done` is told the strategy of each search that is over.
    """
    for name in strategies:
        STRATEGIES.info(name)  # raises
        if strategies.count(name) > 1:
            raise UsageError(f"strategy {name!r} is listed twice")
    curves: dict[str, np.ndarray] = {}
    for name in strategies:
        rows = []
        for seed in range(seeds):
            rows.append(benchmark.curve(name, seed))
            on_done(name)
        curves[name] = np.array(rows)
    return standings(curves, benchmark.report.goal == "max")


def standings(curves: Mapping[str, np.ndarray], larger_is_better: bool) -> list[Standing]:
    """Who stands where, by mean rank after the last query, then by the mean."""
    last = np.array([rows[:, -1] for rows in curves.values()])
    ranks = stats.rankdata(-last if larger_is_better else last, axis=0).mean(axis=1)
    sign = -1 if larger_is_better else 1
    found = [Standing(n, rows, float(r)) for (n, rows), r in zip(curves.items(), ranks, strict=True)]
    return sorted(found, key=lambda s: (s.rank, sign * s.after(s.curves.shape[1])[0]))


def critical_difference(strategies: int, seeds: int) -> float:
    """Mean ranks that differ by less don't differ at the 5 % level (Nemenyi's test after Friedman's, see
    Demšar 2006, JMLR 7:1-30).
    """
    quantile = stats.studentized_range.ppf(0.95, strategies, np.inf) / 2**0.5
    return float(quantile * (strategies * (strategies + 1) / (6 * seeds)) ** 0.5)
