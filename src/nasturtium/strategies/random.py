"""Random search, the baseline that every other strategy has to beat (Bergstra & Bengio, JMLR 2012)."""

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.snapshots import Snapshots
from nasturtium.strategies.unseen import Unseen


@STRATEGIES.register(
    "random", summary="uniform over all architectures", paper="Bergstra & Bengio 2012, JMLR 13:281-305"
)
class RandomSearch(Snapshots):
    """Uniform over architectures, at the full fidelity.

    Without `replace` no architecture comes twice, and the search ends when the space is exhausted; with
    `up_to_isomorphism` neither do two whose cells compute the same function (see `SearchSpace.canonical`).
    """

    changing = ("_rng", "_unseen", "_rest")

    def __init__(
        self, problem: Problem, *, seed: int = 0, replace: bool = False, up_to_isomorphism: bool = False
    ) -> None:
        super().__init__(problem, seed=seed)
        if replace and up_to_isomorphism:
            raise UsageError(
                "replace lets architectures come again, up_to_isomorphism forbids it: leave one out"
            )
        self._replace = replace
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen(problem.space.canonical) if up_to_isomorphism else Unseen()
        self._rest: list[Architecture] | None = None  # what is left, once nearly all is known

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` architectures; fewer only at the end of the space."""
        drawn = (self._draw() for _ in range(n))
        return [Proposal(arch) for arch in drawn if arch is not None]

    def _draw(self) -> Architecture | None:
        if self._replace:
            return self._sample()
        arch = self._unseen.draw(self._sample) if self._rest is None else None
        if arch is None:
            if self._rest is None:
                self._rest = self._unknown()
            arch = self._rest.pop() if self._rest else None
        return arch

    def _sample(self) -> Architecture:
        return self.problem.space.sample(self._rng)

    def _unknown(self) -> list[Architecture]:
        everything = list(self.problem.space.enumerate())
        shuffled = (everything[i] for i in self._rng.permutation(len(everything)))
        return [arch for arch in shuffled if self._unseen.take(arch)]
