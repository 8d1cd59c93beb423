"""Paths that are trained the more often the better they promise to be.

In the spirit of GreedyNAS (You et al. 2020, https://arxiv.org/abs/2003.11236), which trains the better half
of the paths that it draws, and of AttentiveNAS (Wang et al. 2021, https://arxiv.org/abs/2011.09011), which
trains the one of several that a predictor prefers. Unlike both: GreedyNAS scores every path that it draws,
AttentiveNAS' predictor was trained beforehand; here a few paths are scored after each epoch, and a predictor
is fitted to them.
"""

from collections import deque
from typing import Any

import numpy as np

from nasturtium.oneshot.paths import PathSampler, Scorer
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace

SCORED = 32  # paths after each epoch
REMEMBERED = 5 * SCORED  # the scores of so many epochs: older ones are those of other weights
CANDIDATES = 10  # paths of which the most promising is trained; GreedyNAS draws as many
GREED = 0.8  # how often that happens in the end, as in GreedyNAS
RIDGE = 1.0


class PromisingPaths(PathSampler):
    """One path at a time: uniform, or, with a probability that rises linearly from 0 to 0.8, that one of ten
    uniform paths which is predicted to have the smallest loss.

    The prediction is a ridge regression from the options of a path (one-hot) to its loss on a search-valid
    batch, standardised among the 32 uniform paths that were scored on the same batch.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._paths: deque[Architecture] = deque(maxlen=REMEMBERED)
        self._losses: deque[float] = deque(maxlen=REMEMBERED)
        self._coefficients: np.ndarray | None = None

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """One path."""
        if self._coefficients is None or rng.random() >= GREED * progress:
            return [self._space.sample(rng)]
        drawn = [self._space.sample(rng) for _ in range(CANDIDATES)]
        return [drawn[int(self.predict(drawn).argmin())]]

    def predict(self, paths: list[Architecture]) -> np.ndarray:
        """One value per path, the smaller the more promising; only after something was learned."""
        assert self._coefficients is not None
        predicted: np.ndarray = self._space.encode(paths) @ self._coefficients
        return predicted

    def learn(self, score: Scorer, rng: np.random.Generator, progress: float) -> None:
        """Scores a few uniform paths and fits the prediction to these and the last epochs'."""
        drawn = [self._space.sample(rng) for _ in range(SCORED)]
        losses = np.array([found.loss for found in score(drawn)])
        self._paths += drawn
        self._losses += ((losses - losses.mean()) / max(losses.std(), 1e-12)).tolist()
        self._fit()

    def _fit(self) -> None:
        x = self._space.encode(list(self._paths)).astype(float)
        penalised = x.T @ x + RIDGE * np.eye(x.shape[1])
        self._coefficients = np.linalg.solve(penalised, x.T @ np.array(self._losses))

    def state(self) -> dict[str, Any]:
        """The remembered paths and their losses."""
        return {"paths": [path.to_json() for path in self._paths], "losses": list(self._losses)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Fit the prediction to these."""
        self._paths.extend(map(Architecture.from_json, state["paths"]))
        self._losses.extend(state["losses"])
        if self._paths:
            self._fit()
