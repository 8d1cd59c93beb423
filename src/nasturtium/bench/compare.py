"""Strategies on one table at equal budgets: curves over several seeds, and who stands where."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import stats

from nasturtium.bench.judging import FrontVolume, Incumbent, Judge, queries_to_top
from nasturtium.bench.simulate import History, fidelities, simulate
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Hints, Problem, Strategy
from nasturtium.tables.base import Table

Make = Callable[[Problem, int], Strategy]
"""Makes a strategy for a problem and a seed."""


@dataclass(frozen=True)
class Benchmark:
    """A search of `table`: strategies see the `signals`, and are judged by the `reports`, as many, which they
    never see: with one signal as `Incumbent` says, with several as `FrontVolume` does.

    The budget is `queries`, for every strategy the same. These are full trainings: what is trained for a part
    of the table's epochs is that part of one. `workers` are as in `simulate`: so many
    architectures are evaluated at the same time, for as many `seconds` as that column says of each (1 without
    one). More of them end sooner, not with more queries. `hints` go to the strategies as they are.
    """

    table: Table
    signals: tuple[Objective, ...]
    reports: tuple[Objective, ...]
    queries: int
    workers: int = 1
    seconds: str | None = None
    hints: Hints | None = None

    def search(self, make: Make, seed: int) -> History:
        """What a strategy looks up within the budget."""
        found = simulate(
            make(self.problem, seed),
            self.table,
            queries=self.queries,
            workers=self.workers,
            seconds=None if self.seconds is None else self.table.column(self.seconds),
        )
        return found.within(self.queries)

    @cached_property
    def problem(self) -> Problem:
        """What strategies see."""
        rungs = fidelities(self.table, [signal.metric for signal in self.signals])
        return Problem(self.table.space, self.signals, rungs, hints=self.hints)

    @cached_property
    def judge(self) -> Judge:
        """What makes one number of what was found."""
        if len(self.signals) == 1:
            return Incumbent(self.table, self.reports[0])
        return FrontVolume(self.table, self.reports)


@dataclass(frozen=True)
class Track:
    """One search: its value after each result, when that came, and the queries spent by then."""

    values: np.ndarray
    seconds: np.ndarray
    spent: np.ndarray

    def after(self, queries: np.ndarray) -> np.ndarray:
        """The values once so many queries are spent; a search that ended before keeps its last."""
        return self._last(self.spent, queries + 1e-9)  # parts of a query are added up

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """The values at those times, of which none is before the first result."""
        return self._last(self.seconds, seconds)

    def _last(self, came: np.ndarray, points: np.ndarray) -> np.ndarray:
        found: np.ndarray = self.values[np.searchsorted(came, points, side="right") - 1]
        return found


@dataclass(frozen=True)
class Standing:
    """How a strategy did: `tracks` has its searches by seed, `curves` seeds × numbers of queries from 1.

    `rank` is its mean rank over seeds after the last query (1 is best, equals share theirs). `top` has for
    each seed the number of queries to one of the best architectures, see `queries_to_top`; None with several
    signals.
    """

    strategy: str
    tracks: Sequence[Track]
    curves: np.ndarray
    rank: float = 1.0
    top: np.ndarray | None = None

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
    strategies: Mapping[str, Make],
    seeds: int,
    *,
    on_done: Callable[[str], None] = lambda _: None,
) -> list[Standing]:
    """Every strategy with every seed from 0, the best by mean rank first.

    `on_done` is told the name of each strategy whose search is over. Raises `UsageError` where a strategy
    can't be made for the problem, before anything is searched.
    """
    for make in strategies.values():
        make(benchmark.problem, 0)
    found = []
    for name, make in strategies.items():
        histories = []
        for seed in range(seeds):
            histories.append(benchmark.search(make, seed))
            on_done(name)
        found.append(_standing(benchmark, name, histories))
    return ranked(found, benchmark.judge.larger_is_better)


def _standing(benchmark: Benchmark, name: str, found: Sequence[History]) -> Standing:
    tracks = [Track(benchmark.judge.values(each), each.seconds, each.spent) for each in found]
    curves = np.array([track.after(np.arange(1, benchmark.queries + 1)) for track in tracks])
    top = None
    if len(benchmark.signals) == 1:
        top = np.array([queries_to_top(benchmark.table, benchmark.signals[0], each) for each in found])
    return Standing(name, tracks, curves, top=top)


def ranked(found: Sequence[Standing], larger_is_better: bool) -> list[Standing]:
    """The same with their ranks: who stands where, by mean rank after the last query, then by the mean."""
    last = np.array([standing.curves[:, -1] for standing in found])
    ranks = stats.rankdata(-last if larger_is_better else last, axis=0).mean(axis=1)
    sign = -1 if larger_is_better else 1
    placed = [replace(standing, rank=float(r)) for standing, r in zip(found, ranks, strict=True)]
    return sorted(placed, key=lambda s: (s.rank, sign * s.after(s.curves.shape[1])[0]))


def critical_difference(strategies: int, seeds: int) -> float:
    """Mean ranks that differ by less don't differ at the 5 % level (Nemenyi's test after Friedman's, see
    Demšar 2006, JMLR 7:1-30).
    """
    quantile = stats.studentized_range.ppf(0.95, strategies, np.inf) / 2**0.5
    return float(quantile * (strategies * (strategies + 1) / (6 * seeds)) ** 0.5)
