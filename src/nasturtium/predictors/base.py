"""What a predictor is, and the registry of them: a new one is one new file in this room."""

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from nasturtium.core.registry import Registry


class Predictor(ABC):
    """Learns a number from vectors, and says how sure it is of it.

    What is random in it comes from `seed`: the same data give the same predictions.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed

    @abstractmethod
    def fit(self, x: np.ndarray, y: np.ndarray) -> Self:
        """Learn from `x`, n × features, and `y`, n values, and forget what was learned before; n ≥ 1."""

    @abstractmethod
    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations, m each, for `x`, m × features, in the units of `y`."""


def standardized(y: np.ndarray) -> tuple[np.ndarray, float, float]:
    """`y` with mean 0 and standard deviation 1, and the mean and deviation it had; constants become 0."""
    center, scale = float(y.mean()), float(y.std()) or 1.0
    return (y - center) / scale, center, scale


PREDICTORS: Registry[type[Predictor]] = Registry("predictors", "predictor")
