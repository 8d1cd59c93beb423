"""Which single paths of a supernet are trained next."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace


class Score(NamedTuple):
    """How good a path is with the shared weights as they are: cross-entropy and accuracy (0–1)."""

    loss: float
    accuracy: float


Scorer = Callable[[Sequence[Architecture]], list[Score]]
"""Scores paths, all of a call on one search-valid batch, the next call's on the next."""


class PathSampler(ABC):
    """Draws paths through a supernet, from the space that it was given, which may be a part of the
    supernet's.
    """

    @abstractmethod
    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """The paths whose gradients together make one update of the weights.

        `progress` is the share of the training that is over: 0 at first, 1 in the last epoch.
        """

    def learn(self, score: Scorer, rng: np.random.Generator, progress: float) -> None:  # noqa: B027
        """Called after each epoch; samplers that draw some paths more often than others learn here which."""

    def state(self) -> dict[str, Any]:
        """What the next draw depends on, besides `rng`, as a checkpoint may hold it."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:  # noqa: B027 (most have none)
        """Go on where `state` was taken."""


class UniformPaths(PathSampler):
    """One path at a time, uniform over the architectures of `space` (Guo et al. 2020,
    https://arxiv.org/abs/1904.00420).
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """One path."""
        return [self._space.sample(rng)]


class UniformDecisions(PathSampler):
    """`number` paths at a time, in which each decision is uniform over its options whatever it switches on.

    So a stack is as often shallow as deep, although most architectures are deep: as elastic networks are
    trained (Cai et al. 2020, https://arxiv.org/abs/1908.09791, Chen et al. 2021,
    https://arxiv.org/abs/2107.00651).
    """

    def __init__(self, space: SearchSpace, number: int = 1) -> None:
        self._space = space
        self._number = number

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """Each drawn by itself."""
        return [self._space.complete({}, rng) for _ in range(self._number)]
