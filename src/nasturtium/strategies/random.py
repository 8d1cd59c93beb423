"""Random search, the baseline that every other strategy has to beat (Bergstra & Bengio, JMLR 2012)."""

import numpy as np

from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES

REPEATS = 100  # after so many known draws in a row nearly all of the space is known: list the rest


@STRATEGIES.register(
    "random", summary="uniform over all architectures", paper="Bergstra & Bengio 2012, JMLR 13:281-305"
)
class RandomSearch(Strategy):
    """Uniform over architectures, at the full fidelity.

    Without `replace` no architecture comes twice, and the search ends when the space is exhausted.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, replace: bool = False) -> None:
        super().__init__(problem, seed=seed)
        self._replace = replace
        self._rng = np.random.default_rng(seed)
        self._seen: set[str] = set()
        self._rest: list[Architecture] | None = None  # what is left, in random order, once that was listed

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` architectures; fewer only at the end of the space."""
        drawn = (self._draw() for _ in range(n))
        return [Proposal(arch) for arch in drawn if arch is not None]

    def _draw(self) -> Architecture | None:
        if self._replace:
            return self.problem.space.sample(self._rng)
        arch = self._new() if self._rest is None else None
        if arch is None:
            if self._rest is None:
                self._rest = self._unseen()
            arch = self._rest.pop() if self._rest else None
        if arch is not None:
            self._seen.add(arch.digest)
        return arch

    def _new(self) -> Architecture | None:
        for _ in range(REPEATS):
            arch = self.problem.space.sample(self._rng)
            if arch.digest not in self._seen:
                return arch
        return None

    def _unseen(self) -> list[Architecture]:
        rest = [arch for arch in self.problem.space.enumerate() if arch.digest not in self._seen]
        return [rest[i] for i in self._rng.permutation(len(rest))]
