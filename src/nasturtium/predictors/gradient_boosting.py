"""Gradient boosting (Friedman 2001, https://doi.org/10.1214/aos/1013203451), bagged to say how sure it is."""

from typing import Self

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.predictors.base import PREDICTORS, Predictor


@PREDICTORS.register(
    "gradient-boosting",
    summary="gradient-boosted trees, several times on bootstrap samples",
    paper="https://doi.org/10.1214/aos/1013203451",
)
class GradientBoosting(Predictor):
    """`members` boosters of `trees` trees each, which are scikit-learn's, on bootstrap samples.

    The prediction is their mean, and the standard deviation is theirs (Breiman 1996's bagging,
    https://doi.org/10.1007/BF00058655). Raises `UsageError` for senseless numbers.
    """

    def __init__(self, *, seed: int = 0, members: int = 5, trees: int = 50, depth: int = 3) -> None:
        super().__init__(seed=seed)
        if members < 2 or trees < 1 or depth < 1:
            raise UsageError(
                "gradient boosting takes 2 or more members, of 1 or more trees of depth 1 or more, not"
                f" {members}, {trees}, {depth}"
            )
        self._members = members
        self._options = {"n_estimators": trees, "max_depth": depth}

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Boost every member anew."""
        from sklearn.ensemble import GradientBoostingRegressor  # here: it takes a second

        rng = np.random.default_rng(self._seed)
        self._boosters = []
        for _ in range(self._members):
            drawn = rng.integers(len(y), size=len(y))
            booster = GradientBoostingRegressor(random_state=int(rng.integers(2**31)), **self._options)
            self._boosters.append(booster.fit(x[drawn], y[drawn]))
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and sample standard deviation over members."""
        each = np.array([booster.predict(x) for booster in self._boosters])
        return each.mean(axis=0), each.std(axis=0, ddof=1)
