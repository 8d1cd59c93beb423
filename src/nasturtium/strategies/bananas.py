"""BANANAS: Bayesian optimisation with an ensemble of neural networks (White et al. 2021,
https://arxiv.org/abs/1910.11858).
"""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.acquisition import expected_improvement, lower_bound, thompson
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.guided import Guided, first

Acquisition = Literal["thompson", "improvement", "bound"]
WEIGHT = 0.5  # of the standard deviation in the bound


@STRATEGIES.register(
    "bananas",
    summary="mutate the best, and take what an ensemble of neural networks finds promising",
    paper="https://arxiv.org/abs/1910.11858",
)
class Bananas(Guided):
    """Candidates are about `candidates` mutations of one decision each of the `parents` best architectures so
    far; the `batch` most promising ones are evaluated.

    `acquisition` says what is promising: "thompson" draws a loss for each candidate from the normal
    distribution that the predictor gives it, and takes the smallest (independent Thompson sampling);
    "improvement" takes the largest expected improvement on the best so far; "bound" the smallest mean minus
    half a standard deviation. Architectures are encoded by the paths through their cells, where there are
    cells. How batches are asked for and told is as in `Guided`, and how the ensemble differs from the paper's
    is said in `predictors.mlp`.

    Raises `UsageError` as `Guided` does, and for an unknown acquisition.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 10,
        batch: int = 10,
        candidates: int = 100,
        parents: int = 10,
        acquisition: Acquisition = "thompson",
        predictor: str = "mlp",
        encoding: str | None = None,
    ) -> None:
        super().__init__(
            problem, seed=seed, initial=initial, batch=batch, predictor=predictor, encoding=encoding
        )
        if not 1 <= parents <= candidates:
            raise UsageError(f"bananas has 1 to candidates ({candidates}) parents, not {parents}")
        if acquisition not in get_args(Acquisition):
            raise UsageError(f"acquisition is {' or '.join(get_args(Acquisition))}, not {acquisition!r}")
        self._parents, self._each, self._acquisition = parents, candidates // parents, acquisition

    def choose(self) -> Sequence[Architecture]:
        """The most promising mutations."""
        candidates = self.mutations(self.best(self._parents), self._each)
        return first(candidates, self._score(candidates), self._batch)

    def _score(self, candidates: Sequence[Architecture]) -> np.ndarray:
        mean, std = self.predict(candidates)
        if self._acquisition == "thompson":
            return thompson(mean, std, self._rng)
        if self._acquisition == "improvement":
            return -expected_improvement(mean, std, self.least)
        return lower_bound(mean, std, WEIGHT)
