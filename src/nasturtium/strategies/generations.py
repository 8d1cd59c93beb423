"""Evolution by generations: what genetic algorithms have in common."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import Crossover
from nasturtium.strategies.snapshots import Snapshots
from nasturtium.strategies.unseen import TRIES, Unseen
from nasturtium.strategies.variation import vary


class Generations(Snapshots):
    """Generations of `population` children, the first one random, and of later ones the first `strangers`.

    A child takes its decisions from two parents with a chance of `crossing`, else all from one, and each
    changes with a chance of one in their number. No architecture comes twice, and the search ends when no new
    one is found. Failed trials have no children. A generation has to be told completely before the next is
    bred, so several workers wait for its last trial.
    """

    changing: ClassVar[tuple[str, ...]] = (
        "_rng",
        "_unseen",
        "_parents",
        "_children",
        "_asked",
        "_told",
        "_count",
    )

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int,
        population: int,
        crossing: float,
        crossover: Crossover = "uniform",
        strangers: int = 0,
    ) -> None:
        super().__init__(problem, seed=seed)
        if population < 2:
            raise UsageError(f"a population has at least 2 members, not {population}")
        if not 0 <= crossing <= 1:
            raise UsageError(f"crossing is a chance from 0 to 1, not {crossing}")
        self._size, self._crossing, self._kind, self._strangers = population, crossing, crossover, strangers
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._parents: list[Trial] = []
        self._children: list[Trial] = []
        self._asked = self._told = 0  # of this generation
        self._count = 0  # of all that were asked for

    @abstractmethod
    def survivors(self, parents: Sequence[Trial], children: Sequence[Trial]) -> list[Trial]:
        """The parents of the next generation, given those of this one and its children by number."""

    @abstractmethod
    def parent(self, parents: Sequence[Trial]) -> Trial:
        """One of `parents`, which are as `survivors` gave them."""

    def born(self, trial: int, parents: Sequence[Trial]) -> None:  # noqa: B027 (most keep no family tree)
        """Trial number `trial` will be of a child of `parents`, or of a random architecture without any."""

    def ask(self, n: int) -> list[Proposal]:
        """The rest of this generation, at most `n`; none while its results are not all in."""
        if self._asked == self._told >= self._size:
            children = sorted(self._children, key=lambda trial: trial.id)
            self._parents = self.survivors(self._parents, children)
            self._children = []
            self._asked = self._told = 0
        proposals = []
        for _ in range(min(n, self._size - self._asked)):
            new = self._new()
            if new is None:
                break
            self.born(self._count, new[1])
            self._asked, self._count = self._asked + 1, self._count + 1
            proposals.append(Proposal(new[0]))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results of this generation, in any order."""
        self._told += len(trials)
        self._children += [trial for trial in trials if trial.status != "failed"]

    def _new(self) -> tuple[Architecture, Sequence[Trial]] | None:
        """An architecture that was not asked for before, and its parents."""
        bred = self._parents and self._asked >= self._strangers
        for _ in range(TRIES if bred else 0):
            child, parents = self._child()
            if self._unseen.take(child):
                return child, parents
        stranger = self._unseen.draw(lambda: self.problem.space.sample(self._rng))
        return None if stranger is None else (stranger, ())

    def _child(self) -> tuple[Architecture, Sequence[Trial]]:
        """A child of two parents or of one, and these."""
        space, mother, father = self.problem.space, self.parent(self._parents), self.parent(self._parents)
        if self._rng.random() >= self._crossing:
            return vary(space, mother.proposal.arch, self._rng), (mother,)
        arch = space.crossover(mother.proposal.arch, father.proposal.arch, self._rng, kind=self._kind)
        return vary(space, arch, self._rng), (mother, father)
