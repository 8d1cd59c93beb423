"""Regularised evolution, also called aging evolution (Real et al. 2019, https://arxiv.org/abs/1802.01548)."""

from collections import deque
from collections.abc import Sequence
from typing import Literal

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.amoebanet_mutation import AmoebaNetMutation
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.snapshots import Snapshots


@STRATEGIES.register(
    "evolution",
    summary="mutate the best of a sample; the oldest of the population dies",
    paper="https://arxiv.org/abs/1802.01548",
)
class RegularizedEvolution(Snapshots):
    """The best of `sample` random members of the population is the parent of each new architecture, which
    differs from it in one decision.

    Random architectures come first, until `population` results are in. From then on each result that joins
    the population, in the order of arrival, lets its oldest member die, however good that is. Members are
    compared by the limits first, then by their losses; failed trials don't join. It never waits: several
    workers draw parents from the population of the moment. An architecture may come again, as in the paper.

    `mutation` "any" changes any decision; "amoebanet" is the paper's: of a random cell it changes, with equal
    chances, which state an operation reads ("hidden state mutation") or the operation, and in one of twenty
    cases nothing.

    The paper's population and sample are 100 and 25, for 20,000 trials; ours suit some hundred. Raises
    `UsageError` for senseless numbers, and for "amoebanet" where no cell chooses both states and operations.
    """

    changing = ("_rng", "_population")

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        population: int = 50,
        sample: int = 10,
        mutation: Literal["any", "amoebanet"] = "any",
    ) -> None:
        super().__init__(problem, seed=seed)
        if mutation not in ("any", "amoebanet"):
            raise UsageError(f"the mutation is any or amoebanet, not {mutation!r}")
        if not 1 <= sample <= population:
            raise UsageError(
                f"evolution draws a sample of 1 to population ({population}) members, not {sample}"
            )
        self._size, self._sample = population, sample
        self._mutate = problem.space.mutate if mutation == "any" else AmoebaNetMutation(problem.space)
        self._rng = np.random.default_rng(seed)
        self._population: deque[Trial] = deque(maxlen=population)  # the oldest first

    def ask(self, n: int) -> list[Proposal]:
        """`n` random architectures or children."""
        return [Proposal(self._next()) for _ in range(n)]

    def _next(self) -> Architecture:
        space = self.problem.space
        if len(self._population) < self._size:
            return space.sample(self._rng)
        drawn = self._rng.integers(self._size, size=self._sample)  # a member may be drawn twice, as there
        parent = min((self._population[i] for i in drawn.tolist()), key=lambda member: member.rank)
        return self._mutate(parent.proposal.arch, self._rng)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join the population; beyond its size the oldest leave."""
        self._population.extend(trial for trial in trials if trial.status != "failed")
