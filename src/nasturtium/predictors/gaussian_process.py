"""A Gaussian process over points that come one after the other (Rasmussen & Williams 2006,
https://gaussianprocess.org/gpml, chapters 2 and 5).

Everything is kept as the inverse of the Cholesky factor of the points' covariance and its product with that
of points and candidates. A further point adds a row to both, so that it costs the square of their number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial.distance import cdist

LENGTHS = (1.0, 2.0, 4.0, 8.0)
NOISES = (0.02, 0.1, 0.3)


@dataclass(frozen=True)
class Prior:
    """What is believed before any value is known: a mean of zero and, in units of the function's variance,
    the covariance exp(−Σ `weights`·(a − b)²) of two points, and `noise` on every value.
    """

    weights: np.ndarray
    noise: float

    def covariance(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Of n and m points, n × m."""
        root = np.sqrt(self.weights)
        found: np.ndarray = np.exp(-cdist(a * root, b * root, "sqeuclidean"))
        return found

    def log_evidence(self, points: np.ndarray, values: np.ndarray) -> float:
        """The log-likelihood of n values at n × f points but for a constant, where the function's variance is
        the one that makes it largest.
        """
        n = len(values)
        factor = np.linalg.cholesky(self.covariance(points, points) + self.noise * np.eye(n))
        whitened = solve_triangular(factor, values, lower=True)
        variance = max(float(whitened @ whitened) / n, 1e-12)
        return -0.5 * n * float(np.log(variance)) - float(np.log(np.diag(factor)).sum())


def most_likely(points: np.ndarray, values: np.ndarray, weightings: Sequence[np.ndarray]) -> Prior:
    """The prior with the largest evidence among all `weightings` of features, lengths and noises."""
    priors = [
        Prior(weights / (2 * length**2), noise)
        for weights in weightings
        for length in LENGTHS
        for noise in NOISES
    ]
    return max(priors, key=lambda prior: prior.log_evidence(points, values))


class Posterior:
    """What is believed of `candidates` after values at `points` are known; both may become more."""

    def __init__(self, prior: Prior, features: int) -> None:
        self._prior = prior
        self._points = np.zeros((0, features))
        self._candidates = np.zeros((0, features))
        self._whitening = np.zeros((0, 0))  # the inverse of the Cholesky factor
        self._cross = np.zeros((0, 0))  # whitened covariance, points × candidates
        self._left = np.zeros(0)  # variance of each candidate that the points leave

    def observe(self, points: np.ndarray) -> None:
        """n × f further points."""
        n, k = len(self._points), len(points)
        whitening = self._whitening[:n, :n]
        shared = whitening @ self._prior.covariance(self._points, points)
        own = self._prior.covariance(points, points) + self._prior.noise * np.eye(k) - shared.T @ shared
        new = solve_triangular(np.linalg.cholesky(own), np.eye(k), lower=True)
        cross = self._prior.covariance(points, self._candidates)
        cross = new @ (cross - shared.T @ self._cross[:n, : len(self._candidates)])
        self._whitening = _room(self._whitening, n + k, n + k)
        self._whitening[n : n + k, :n] = -new @ (shared.T @ whitening)
        self._whitening[n : n + k, n : n + k] = new
        self._cross = _room(self._cross, n + k, len(self._candidates))
        self._cross[n : n + k, : len(self._candidates)] = cross
        self._left -= (cross**2).sum(axis=0)
        self._points = np.concatenate([self._points, points])

    def consider(self, candidates: np.ndarray) -> None:
        """n × f further candidates."""
        n, c = len(self._points), len(self._candidates)
        cross = self._whitening[:n, :n] @ self._prior.covariance(self._points, candidates)
        self._cross = _room(self._cross, n, c + len(candidates))
        self._cross[:n, c : c + len(candidates)] = cross
        self._left = np.concatenate([self._left, 1 - (cross**2).sum(axis=0)])
        self._candidates = np.concatenate([self._candidates, candidates])

    def at_candidates(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the function at each candidate, given a value at each point."""
        n, c = len(self._points), len(self._candidates)
        whitened = self._whitening[:n, :n] @ values
        variance = max(float(whitened @ whitened) / n, 1e-12)
        mean = whitened @ self._cross[:n, :c]
        return mean, np.sqrt(variance * np.maximum(self._left, 1e-12))


def _room(array: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """`array` if it has so many rows and columns, otherwise a copy with twice as many as needed."""
    have = array.shape
    if rows <= have[0] and columns <= have[1]:
        return array
    larger = np.zeros((max(have[0], 2 * rows), max(have[1], 2 * columns)))
    larger[: have[0], : have[1]] = array
    return larger
