"""A random forest that knows how sure it is (Hutter et al. 2014, https://arxiv.org/abs/1211.0906)."""

from typing import Self

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.predictors.base import PREDICTORS, Predictor, standardized


@PREDICTORS.register(
    "forest",
    summary="random forest; trees that disagree, and leaves that hold different values, are uncertain",
    paper="https://arxiv.org/abs/1211.0906",
)
class Forest(Predictor):
    """Regression trees on bootstrap samples, which are scikit-learn's.

    A tree predicts the mean μ and the variance σ² of the values in the leaf that a vector falls into. The
    forest is their even mixture: its mean is that of the μ, its variance that of the μ plus the mean of the
    σ². A leaf with fewer than `least` vectors, however often they were drawn, is not split; a split looks at
    the share `features` of all features. The defaults are SMAC3's for hyper-parameters (Lindauer et al. 2022,
    https://arxiv.org/abs/2109.09831). Raises `UsageError` for senseless numbers.
    """

    def __init__(self, *, seed: int = 0, trees: int = 10, least: int = 2, features: float = 1.0) -> None:
        super().__init__(seed=seed)
        if trees < 1 or least < 2 or not 0 < features <= 1:
            raise UsageError(
                "a forest has 1 or more trees, splits leaves of 2 or more values and looks at a share of the"
                f" features above 0 and up to 1, not {trees}, {least}, {features}"
            )
        self._options = {"n_estimators": trees, "min_samples_split": least, "max_features": float(features)}

    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Grow new trees."""
        from sklearn.ensemble import RandomForestRegressor  # here: it takes a second

        z, self._center, self._scale = standardized(y)  # for precise variances
        self._forest = RandomForestRegressor(random_state=self._seed, **self._options).fit(x, z)
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the mixture of leaves."""
        x = np.ascontiguousarray(x, np.float32)
        trees = [tree.tree_ for tree in self._forest.estimators_]
        leaves = [tree.apply(x) for tree in trees]
        means = np.array([tree.value[leaf, 0, 0] for tree, leaf in zip(trees, leaves, strict=True)])
        variances = np.array([tree.impurity[leaf] for tree, leaf in zip(trees, leaves, strict=True)])
        std = np.sqrt(means.var(axis=0) + np.maximum(variances, 0).mean(axis=0))  # leaves may round below 0
        return means.mean(axis=0) * self._scale + self._center, std * self._scale
