"""MOEA/D: a front as many searches for one number each (Zhang & Li 2007,
https://doi.org/10.1109/TEVC.2007.892759).
"""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.snapshots import Snapshots
from nasturtium.strategies.unseen import Unseen
from nasturtium.strategies.variation import vary

LEAST_WEIGHT = 1e-6  # so that an objective without weight still tells equals apart


@STRATEGIES.register(
    "moead",
    summary="evolve a front as neighbouring weighted problems that share their solutions",
    paper="https://doi.org/10.1109/TEVC.2007.892759",
)
class MOEAD(Snapshots):
    """Up to `population` weightings of the objectives, spread evenly, each with the best architecture so far.

    Weightings take turns: a child of two of its `near` nearest ones' architectures, in which each decision
    changes with a chance of one in their number, is told to all of these, and becomes the architecture of
    each for which it is better. Better is who violates the limits less, then who has the smaller largest
    weighted distance from the ideal point (Tchebycheff), the best of each objective so far; distances are
    shares of that to the worst of the present population. Until two of the nearest have an architecture the
    child is random. Failed trials change nothing. No architecture comes twice, and the search ends when no
    new one is found. It never waits.
    """

    changing = ("_rng", "_unseen", "_best", "_ideal", "_count")

    def __init__(self, problem: Problem, *, seed: int = 0, population: int = 20, near: int = 5) -> None:
        super().__init__(problem, seed=seed)
        if population < len(problem.objectives):
            raise UsageError(f"moead needs a population of at least one per objective, not {population}")
        if not 2 <= near <= population:
            raise UsageError(f"moead shares solutions among 2 to population ({population}), not {near}")
        self._weights = weightings(len(problem.objectives), population)
        self._near = _nearest(self._weights, near)
        self._best: list[Trial | None] = [None] * len(self._weights)
        self._ideal = np.full(len(problem.objectives), np.inf)
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._count = 0

    def ask(self, n: int) -> list[Proposal]:
        """A child for each of the next `n` weightings."""
        proposals = []
        for _ in range(n):
            arch = self._new(self._count % len(self._weights))
            if arch is None:
                break
            self._count += 1
            proposals.append(Proposal(arch))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results replace what is worse around the weighting that they were made for."""
        for trial in trials:
            if trial.status == "ok":
                self._ideal = np.minimum(self._ideal, trial.losses)
            if trial.status != "failed":
                for i in self._near[trial.id % len(self._weights)].tolist():
                    known = self._best[i]
                    if known is None or self._better(trial, known, self._weights[i]):
                        self._best[i] = trial

    def _new(self, at: int) -> Architecture | None:
        known = [trial for i in self._near[at].tolist() if (trial := self._best[i]) is not None]
        child = self._unseen.draw(lambda: self._child(known)) if len(known) > 1 else None
        if child is not None:
            return child
        return self._unseen.draw(lambda: self.problem.space.sample(self._rng))

    def _child(self, known: Sequence[Trial]) -> Architecture:
        space = self.problem.space
        mother, father = (known[i].proposal.arch for i in self._rng.choice(len(known), 2, replace=False))
        return vary(space, space.crossover(mother, father, self._rng), self._rng)

    def _better(self, trial: Trial, known: Trial, weights: np.ndarray) -> bool:
        if trial.violation != known.violation or trial.status != "ok":
            return trial.violation < known.violation
        present = [t.losses for t in (*self._best, trial) if t is not None and t.status == "ok"]
        extent = np.max(present, axis=0) - self._ideal
        shares = weights / np.where(extent > 0, extent, 1.0)
        far = [float(np.max(shares * (np.array(t.losses) - self._ideal))) for t in (trial, known)]
        return far[0] < far[1]


def weightings(objectives: int, most: int) -> np.ndarray:
    """At most `most` rows of weights that add up to 1, on an even grid (Das & Dennis 1998): as fine as fits.

    With one objective, `most` rows of 1.
    """
    if objectives == 1:
        return np.ones((most, 1))
    parts = 1
    while math.comb(parts + objectives, objectives - 1) <= most:
        parts += 1
    bars = combinations(range(parts + objectives - 1), objectives - 1)
    rows = [np.diff((-1, *bar, parts + objectives - 1)) - 1 for bar in bars]
    return np.maximum(np.array(rows) / parts, LEAST_WEIGHT)


def _nearest(weights: np.ndarray, near: int) -> np.ndarray:
    """The nearest rows of each row, itself first; of equally near ones those next to it in order."""
    apart = np.linalg.norm(weights[:, None] - weights, axis=2)
    order = np.arange(len(weights))
    nearest: np.ndarray = np.lexsort((np.abs(order[:, None] - order), apart), axis=1)[:, :near]
    return nearest
