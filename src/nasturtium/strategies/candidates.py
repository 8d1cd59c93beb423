"""Architectures that may be proposed, and what a Gaussian process expects of them."""

from collections.abc import Iterable, Sequence

import numpy as np

from nasturtium.predictors.gaussian_process import Posterior, most_likely
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.acquisition import expected_improvement
from nasturtium.strategies.features import Features

LATEST = 300  # losses from which the prior is chosen


class Candidates:
    """None at first. The process compares architectures by `features`; its prior is the one under which the
    latest 300 of `losses`, of the architectures `known`, are most likely.
    """

    def __init__(self, features: Features, known: Sequence[Architecture], losses: np.ndarray) -> None:
        points = features.of(known)
        prior = most_likely(points[-LATEST:], losses[-LATEST:], features.weightings)
        self._features = features
        self._posterior = Posterior(prior, points.shape[1])
        self._posterior.observe(points)
        self._archs: dict[Architecture, None] = {}  # in order
        self.began = len(known)

    def observe(self, arch: Architecture) -> None:
        """A further one of which a loss will be given."""
        self._posterior.observe(self._features.of([arch]))

    def consider(self, archs: Iterable[Architecture]) -> None:
        """Further candidates; those that are there already are passed over."""
        if new := [arch for arch in dict.fromkeys(archs) if arch not in self._archs]:
            self._archs |= dict.fromkeys(new)
            self._posterior.consider(self._features.of(new))

    def by_promise(self, losses: np.ndarray, best: float) -> list[tuple[Architecture, float]]:
        """All, with the loss expected of each, the largest expected improvement on `best` first; `losses` are
        of the known ones, in order.
        """
        mean, std = self._posterior.at_candidates(losses)
        order = np.argsort(-expected_improvement(mean, std, best), kind="stable").tolist()
        archs = list(self._archs)
        return [(archs[i], float(mean[i])) for i in order]
