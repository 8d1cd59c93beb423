"""SMAC: Bayesian optimisation with a random forest (Hutter et al. 2011,
https://doi.org/10.1007/978-3-642-25566-3_40; as SMAC3, Lindauer et al. 2022, https://arxiv.org/abs/2109.09831).
"""

from collections.abc import Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.acquisition import expected_improvement_of_log
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.guided import Guided, first
from nasturtium.strategies.variation import around

MOST = 32  # neighbours that are all predicted; of more, as many random mutations are


@STRATEGIES.register(
    "smac",
    summary="take what a random forest expects to improve most, found by local search",
    paper="https://arxiv.org/abs/2109.09831",
)
class SMAC(Guided):
    """What is evaluated is what has the largest expected improvement on the smallest loss so far, among
    `candidates` random architectures and those where local searches for it end.

    These begin at each of the best `starts` architectures so far and go, as long as that improves, to the
    new neighbour with the largest expected improvement; what is known already can't improve. In each place of
    a batch there is a random architecture instead with a chance of `random`. The forest learns again after
    `batch` results. How batches are asked for and told is as in `Guided`.

    SMAC3 has 10,000 candidates and 10 starts, ours are fewer for speed, and it begins with a Sobol sequence,
    which unordered decisions have not. Raises `UsageError` as `Guided` does.
    """

    encodings = ("continuous",)

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 10,
        batch: int = 8,
        candidates: int = 300,
        starts: int = 5,
        random: float = 0.2,
        predictor: str = "forest",
        encoding: str | None = None,
    ) -> None:
        super().__init__(
            problem, seed=seed, initial=initial, batch=batch, predictor=predictor, encoding=encoding
        )
        if candidates < 1 or starts < 0:
            raise UsageError(
                f"smac takes 1 or more candidates and 0 or more starts, not {candidates}, {starts}"
            )
        if not 0 <= random <= 1:
            raise UsageError(f"random is a chance from 0 to 1, not {random}")
        self._candidates, self._starts, self._random = candidates, starts, random

    def choose(self) -> Sequence[Architecture]:
        """The most promising ones, interleaved with random ones."""
        drawn = [self._sample() for _ in range(self._candidates)]
        candidates = self.fresh([*self._climb(), *drawn])
        promising = first(candidates, -self._improvement(candidates), self._batch)
        chance = self._rng.random(len(promising)).tolist()
        return [
            self._sample() if u < self._random else arch for u, arch in zip(chance, promising, strict=True)
        ]

    def _climb(self) -> list[Architecture]:
        """Where local searches from the best known ones end; they step together, to be predicted at once."""
        here = self.best(self._starts)
        value = [-np.inf] * len(here)  # of where they begin, being known
        moving = list(range(len(here)))
        while moving:
            near = [self.fresh(around(self.problem.space, here[i], self._rng, MOST)) for i in moving]
            ends = np.cumsum([len(archs) for archs in near])
            improvement = np.split(self._improvement([arch for archs in near for arch in archs]), ends[:-1])
            moved = []
            for i, archs, gains in zip(moving, near, improvement, strict=True):
                if archs and gains.max() > value[i]:
                    here[i], value[i] = archs[int(gains.argmax())], float(gains.max())
                    moved.append(i)
            moving = moved
        return here

    def _improvement(self, archs: Sequence[Architecture]) -> np.ndarray:
        return expected_improvement_of_log(*self.predict(archs), self.least)

    def _sample(self) -> Architecture:
        return self.problem.space.sample(self._rng)
