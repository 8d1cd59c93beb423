"""NSGA-II: evolution towards a whole front (Deb et al. 2002, https://doi.org/10.1109/4235.996017)."""

from collections.abc import Sequence

import moocore
import numpy as np

from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.generations import Generations

CROSSOVER = 0.9  # share of the children that have two parents, as in the paper


@STRATEGIES.register(
    "nsga2",
    summary="evolve a front: non-dominated first, then the lonely ones",
    paper="https://doi.org/10.1109/4235.996017",
)
class NSGA2(Generations):
    """Generations of `population` architectures, of which the best of parents and children survive.

    Better is who lies on an earlier non-dominated front, then who has more room on it (crowding distance).
    Trials over a limit come after all others, ordered by their violation. Parents win binary tournaments. How
    children are made and told is as in `Generations`.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, population: int = 20) -> None:
        super().__init__(problem, seed=seed, population=population, crossing=CROSSOVER)

    def survivors(self, parents: Sequence[Trial], children: Sequence[Trial]) -> list[Trial]:
        """The best of all, the best first."""
        everyone = sorted([*parents, *children], key=lambda trial: trial.id)
        return [everyone[i] for i in best_first(everyone)[: self._size]]

    def parent(self, parents: Sequence[Trial]) -> Trial:
        """The better of two random ones."""
        return parents[int(self._rng.integers(len(parents), size=2).min())]


def best_first(trials: Sequence[Trial]) -> list[int]:
    """The positions of trials by non-dominated front, then by falling crowding distance, then as given."""
    ranks, distances = _ranks(trials), np.zeros(len(trials))
    for rank in set(ranks.tolist()):
        front = np.flatnonzero(ranks == rank).tolist()
        if trials[front[0]].status == "ok":
            distances[front] = crowding(np.array([trials[i].losses for i in front]))
    return sorted(range(len(trials)), key=lambda i: (ranks[i], -distances[i]))


def _ranks(trials: Sequence[Trial]) -> np.ndarray:
    """The front of each trial from 0; those over a limit come after the last, by their violation."""
    ranks = np.zeros(len(trials), int)
    ok = [i for i, trial in enumerate(trials) if trial.status == "ok"]
    if ok:
        ranks[ok] = moocore.pareto_rank(np.array([trials[i].losses for i in ok]))
    levels = sorted({trial.violation for trial in trials if trial.status != "ok"})
    for i, trial in enumerate(trials):
        if trial.status != "ok":
            ranks[i] = len(trials) + levels.index(trial.violation)
    return ranks


def crowding(losses: np.ndarray) -> np.ndarray:
    """How much room each point of a front has: n × objectives → n, infinite for the ends.

    Per objective the distance between the two neighbours, as a share of the front's extent; their sum.
    """
    total = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        ranked = column[order]
        extent = ranked[-1] - ranked[0]
        total[order[[0, -1]]] = np.inf
        if extent > 0:
            total[order[1:-1]] += (ranked[2:] - ranked[:-2]) / extent
    return total
