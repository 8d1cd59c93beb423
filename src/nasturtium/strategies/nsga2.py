"""NSGA-II: evolution towards a whole front (Deb et al. 2002, https://doi.org/10.1109/4235.996017)."""

from collections.abc import Sequence

import moocore
import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES

CROSSOVER = 0.9  # share of the children that have two parents, as in the paper
TRIES = 100  # children that are already known, before an architecture is drawn at random, as often again


@STRATEGIES.register(
    "nsga2",
    summary="evolve a front: non-dominated first, then the lonely ones",
    paper="https://doi.org/10.1109/4235.996017",
)
class NSGA2(Strategy):
    """Generations of `population` architectures, of which the best of parents and children survive.

    Better is who lies on an earlier non-dominated front, then who has more room on it (crowding distance).
    Trials over a limit come after all others, ordered by their violation; failed ones don't survive. Parents
    win binary tournaments; a child takes its decisions from both, and each changes with a chance of one in
    their number. No architecture comes twice, and the search ends when no new one is found. A generation has
    to be told completely before the next is bred, so several workers wait for its last trial.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, population: int = 20) -> None:
        super().__init__(problem, seed=seed)
        if population < 2:
            raise UsageError(f"NSGA-II needs a population of at least 2, not {population}")
        self._size = population
        self._rng = np.random.default_rng(seed)
        self._seen: set[str] = set()
        self._parents: list[Trial] = []  # the best first
        self._children: list[Trial] = []
        self._asked = self._told = 0  # of this generation

    def ask(self, n: int) -> list[Proposal]:
        """The rest of this generation, at most `n`; none while its results are not all in."""
        if self._asked == self._told >= self._size:
            self._select()
        proposals = []
        for _ in range(min(n, self._size - self._asked)):
            arch = self._new()
            if arch is None:
                break
            self._seen.add(arch.digest)
            self._asked += 1
            proposals.append(Proposal(arch))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results of this generation, in any order."""
        self._told += len(trials)
        self._children += [trial for trial in trials if trial.status != "failed"]

    def _select(self) -> None:
        """The next generation: its parents are the best of this one's parents and children."""
        everyone = sorted([*self._parents, *self._children], key=lambda trial: trial.id)
        self._parents = [everyone[i] for i in best_first(everyone)[: self._size]]
        self._children = []
        self._asked = self._told = 0

    # --- breeding
    def _new(self) -> Architecture | None:
        """An architecture that was not asked for before, or None if none was found."""
        for attempt in range(2 * TRIES):
            bred = self._parents and attempt < TRIES
            arch = self._child() if bred else self.problem.space.sample(self._rng)
            if arch.digest not in self._seen:
                return arch
        return None

    def _child(self) -> Architecture:
        space, mother, father = self.problem.space, self._winner(), self._winner()
        arch = mother
        if self._rng.random() < CROSSOVER:
            arch = space.crossover(mother, father, self._rng)
        changes = int(self._rng.binomial(len(arch), 1 / len(arch)))
        return space.mutate(arch, self._rng, n=changes) if changes else arch

    def _winner(self) -> Architecture:
        """The better of two random parents, which are sorted."""
        return self._parents[int(self._rng.integers(len(self._parents), size=2).min())].proposal.arch


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
