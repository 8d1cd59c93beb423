"""Architectures as numbers whose differences say how unlike they are."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space.architecture import Architecture

REFERENCE = 500  # random architectures, by which features are scaled


class Features:
    """Features of the cells, if the space has any; all decisions; the problem's hints, if it has any.

    Each has variance one among random architectures; hints are turned into quantiles of a normal
    distribution. Raises `UsageError` for hints that are not n × features of finite numbers.

    `weightings` are several ways to weigh the squared differences of features, so that one chooses: by cells
    or by decisions, and in either case without hints or with them.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator) -> None:
        self._space, self._hints = problem.space, problem.hints
        self._kinds = ("graph-features", "continuous") if self._space.layout.cells else ("continuous",)
        reference = [self._space.sample(rng) for _ in range(REFERENCE)]
        self._reference = np.sort(self._hints_of(reference), axis=0)
        blocks = self._blocks(reference)
        raw = np.concatenate(blocks, axis=1)
        varies = raw.std(axis=0) > 0
        self._center, self._scale = raw.mean(axis=0), np.where(varies, raw.std(axis=0), 1.0)
        block = np.repeat(np.arange(len(blocks)), [b.shape[1] for b in blocks])
        mean_of = [
            (varies & (block == i)) / max((varies & (block == i)).sum(), 1) for i in range(len(blocks))
        ]
        *structure, hints = mean_of
        self.weightings = [*structure, *(weights + hints for weights in structure if hints.any())]

    def of(self, archs: Sequence[Architecture]) -> np.ndarray:
        """n × features."""
        found: np.ndarray = (np.concatenate(self._blocks(archs), axis=1) - self._center) / self._scale
        return found

    def _blocks(self, archs: Sequence[Architecture]) -> list[np.ndarray]:
        blocks = [self._space.encode(archs, kind).astype(float) for kind in self._kinds]
        return [*blocks, self._normal_scores(self._hints_of(archs))]

    def _normal_scores(self, hints: np.ndarray) -> np.ndarray:
        """By how many of the reference are smaller; equals count half."""
        found = np.empty(hints.shape)
        for j, there in enumerate(self._reference.T):
            below = np.searchsorted(there, hints[:, j]) + np.searchsorted(there, hints[:, j], "right")
            found[:, j] = ndtri((below / 2 + 0.5) / (REFERENCE + 1))
        return found

    def _hints_of(self, archs: Sequence[Architecture]) -> np.ndarray:
        if self._hints is None:
            return np.zeros((len(archs), 0))
        hints = np.asarray(self._hints(archs), float)
        if hints.ndim != 2 or len(hints) != len(archs) or not np.isfinite(hints).all():
            raise UsageError(
                f"hints of {len(archs)} architectures are as many rows of finite numbers, not an array of"
                f" shape {hints.shape}" + (" with NaN or infinity" if not np.isfinite(hints).all() else "")
            )
        return hints
