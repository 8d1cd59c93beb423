"""What is known of architectures, and what more of them promise."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.learned.acquisition import Acquisition
from nasturtium.strategies.learned.architecture_kernel import ArchitectureKernel
from nasturtium.strategies.learned.gaussian_process import GaussianProcess

Promise = Callable[[Sequence[Architecture]], np.ndarray]
"""The worth of each of n architectures."""

GROWTH = 1.4  # of the number of architectures, after which parameters are fitted again


class Surrogate:
    """A Gaussian process for each of `objectives`, over architectures of `space`.

    Kernels have their own parameters, which are fitted again each time that 1.4 times as many are known.
    """

    def __init__(self, space: SearchSpace, objectives: int, rng: np.random.Generator) -> None:
        self._kernel = ArchitectureKernel(space, rng)
        self._processes = [GaussianProcess(self._kernel) for _ in range(objectives)]
        self._told = self._kernel.rows([])
        self._enough = 0  # rows for the next fit

    def learn(self, archs: Sequence[Architecture], values: np.ndarray) -> None:
        """New architectures; `values` of them and all before, n × objectives, more is better."""
        new = self._kernel.rows(archs)
        self._told = torch.cat([self._told, new])
        due = len(self._told) >= self._enough
        for process, column in zip(self._processes, torch.from_numpy(values).T, strict=True):
            process.add(new)
            process.observe(column)
            if due:
                process.fit()
        if due:
            self._enough = math.ceil(GROWTH * len(self._told))

    def acquisition(self, pending: Sequence[Architecture], reference: np.ndarray, *, seed: int) -> Promise:
        """What architectures promise while the values of `pending` are not known, see `Acquisition`."""
        rows = self._kernel.rows(pending)
        worth = Acquisition(self._processes, self._told, rows, torch.from_numpy(reference), seed=seed)
        return lambda archs: worth(self._kernel.rows(archs))
