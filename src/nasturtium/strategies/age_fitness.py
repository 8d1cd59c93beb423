"""Age-fitness Pareto optimisation (Schmidt & Lipson 2010, https://doi.org/10.1145/1830483.1830584)."""

from collections.abc import Sequence

import numpy as np

from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.generations import Generations


@STRATEGIES.register(
    "age-fitness",
    summary="evolve for fitness and youth at once, with a newcomer in each generation",
    paper="https://doi.org/10.1145/1830483.1830584",
)
class AgeFitness(Generations):
    """Each generation begins with a random architecture, whose family the old ones can't drive out at
    once, because to be young is an objective besides the losses.

    The age of a random architecture is 0, that of a child is the larger of its parents', and all that live
    grow older by one each generation. Of parents and children, random pairs compete until `population` are
    left: who is dominated, in age, in the violation of limits and in all losses, dies. Where nobody dominates
    anybody any more, the fittest stay. Any survivor may be a parent. How children are made and told is as in
    `Generations`.
    """

    changing = (*Generations.changing, "_age")

    def __init__(
        self, problem: Problem, *, seed: int = 0, population: int = 10, crossing: float = 0.75
    ) -> None:
        super().__init__(problem, seed=seed, population=population, crossing=crossing, strangers=1)
        self._age: dict[int, int] = {}  # by trial

    def born(self, trial: int, parents: Sequence[Trial]) -> None:
        """As old as its oldest parent."""
        self._age[trial] = max((self._age[parent.id] for parent in parents), default=0)

    def parent(self, parents: Sequence[Trial]) -> Trial:
        """Any of them."""
        return parents[int(self._rng.integers(len(parents)))]

    def survivors(self, parents: Sequence[Trial], children: Sequence[Trial]) -> list[Trial]:
        """Those that are left of all, the fittest first."""
        everyone = sorted([*parents, *children], key=lambda trial: (trial.rank, trial.id))
        better = np.array([[self._dominates(one, other) for other in everyone] for one in everyone])
        alive = np.ones(len(everyone), bool)
        while alive.sum() > self._size:
            # meeting of two of whom neither dominates the other would change nothing
            losers = np.nonzero(better & alive[:, None] & alive)[1]
            if not len(losers):
                break
            alive[losers[self._rng.integers(len(losers))]] = False
        living = [everyone[i] for i in np.flatnonzero(alive)[: self._size]]
        self._age = {trial.id: self._age[trial.id] + 1 for trial in living}
        return living

    def _dominates(self, one: Trial, other: Trial) -> bool:
        """Whether `one` is in nothing worse than `other`, and in something better."""
        if one.violation != other.violation:
            fit = one.violation < other.violation
        else:
            fit = all(a <= b for a, b in zip(one.losses, other.losses, strict=True))
        age, others = self._age[one.id], self._age[other.id]
        return fit and age <= others and (one.rank != other.rank or age < others)
