"""Evolution by generations: what genetic algorithms have in common."""

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import Crossover
from nasturtium.strategies.unseen import Unseen


class Generations(Strategy):
    """Generations of `population` children, the first one random.

    A child takes its decisions from two parents with a chance of `crossing`, else all from one, and each
    changes with a chance of one in their number. No architecture comes twice, and the search ends when no new
    one is found. Failed trials have no children. A generation has to be told completely before the next is
    bred, so several workers wait for its last trial.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int,
        population: int,
        crossing: float,
        crossover: Crossover = "uniform",
    ) -> None:
        super().__init__(problem, seed=seed)
        if population < 2:
            raise UsageError(f"a population has at least 2 members, not {population}")
        if not 0 <= crossing <= 1:
            raise UsageError(f"crossing is a chance from 0 to 1, not {crossing}")
        self._size, self._crossing, self._kind = population, crossing, crossover
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._parents: list[Trial] = []
        self._children: list[Trial] = []
        self._asked = self._told = 0  # of this generation

    @abstractmethod
    def survivors(self, parents: Sequence[Trial], children: Sequence[Trial]) -> list[Trial]:
        """The parents of the next generation, given those of this one and its children by number."""

    @abstractmethod
    def parent(self, parents: Sequence[Trial]) -> Trial:
        """One of `parents`, which are as `survivors` gave them."""

    def ask(self, n: int) -> list[Proposal]:
        """The rest of this generation, at most `n`; none while its results are not all in."""
        if self._asked == self._told >= self._size:
            children = sorted(self._children, key=lambda trial: trial.id)
            self._parents = self.survivors(self._parents, children)
            self._children = []
            self._asked = self._told = 0
        proposals = []
        for _ in range(min(n, self._size - self._asked)):
            arch = self._new()
            if arch is None:
                break
            self._asked += 1
            proposals.append(Proposal(arch))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results of this generation, in any order."""
        self._told += len(trials)
        self._children += [trial for trial in trials if trial.status != "failed"]

    def _new(self) -> Architecture | None:
        bred = self._unseen.draw(self._child) if self._parents else None
        return bred or self._unseen.draw(lambda: self.problem.space.sample(self._rng))

    def _child(self) -> Architecture:
        space, mother, father = self.problem.space, self.parent(self._parents), self.parent(self._parents)
        arch = mother.proposal.arch
        if self._rng.random() < self._crossing:
            arch = space.crossover(arch, father.proposal.arch, self._rng, kind=self._kind)
        changes = int(self._rng.binomial(len(arch), 1 / len(arch)))
        return space.mutate(arch, self._rng, n=changes) if changes else arch
