"""Which single paths of a supernet are trained next."""

from typing import Protocol

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace


class PathSampler(Protocol):
    """Draws paths through a supernet."""

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """The paths whose gradients together make one update of the weights.

        `progress` is the share of the training that is over: 0 at first, 1 in the last epoch.
        """


class UniformPaths:
    """One path at a time, uniform over the architectures of `space` (Guo et al. 2020,
    https://arxiv.org/abs/1904.00420).
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """One path."""
        return [self._space.sample(rng)]
