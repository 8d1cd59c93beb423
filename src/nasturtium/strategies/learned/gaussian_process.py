"""Exact Gaussian process regression (Rasmussen & Williams 2006, algorithm 2.1) on growing data."""

import math
from typing import cast

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from nasturtium.strategies.learned.architecture_kernel import ArchitectureKernel

JITTER = 1e-6  # added to variances of the function, so that they have a root where rows repeat
STEPS = 25  # of the optimiser, at most, each time that parameters are fitted
WIDTH = 3.0  # spreads by which parameters may be off the prior


class GaussianProcess:
    """A Gaussian process of mean 0 with the kernel `kernel`, whose parameters are the most probable ones.

    Rows may be added at any time, which costs O(n²) each; `fit` finds the parameters, O(n³) a step, beginning
    with those that it found last.
    """

    def __init__(self, kernel: ArchitectureKernel) -> None:
        self._kernel = kernel
        self.parameters = torch.from_numpy(kernel.prior.copy())
        self._x = kernel.rows([])
        self._y = torch.zeros(0, dtype=torch.double)
        self._root = torch.zeros(0, 0, dtype=torch.double)  # Cholesky, of the covariance with noise

    def add(self, x: Tensor) -> None:
        """Rows m × columns, whose values the next `observe` tells."""
        across = self._whitened(self._kernel(self._x, x, self.parameters))
        corner = torch.linalg.cholesky(self._noisy(x, self.parameters) - across.T @ across)
        above = torch.cat([self._root, torch.zeros_like(across)], 1)
        self._root = torch.cat([above, torch.cat([across.T, corner], 1)])
        self._x = torch.cat([self._x, x])

    def observe(self, y: Tensor) -> None:
        """The values of all n rows, which may all have changed."""
        self._y = y
        self._weights = torch.cholesky_solve(y[:, None], self._root)

    def fit(self) -> None:
        """Move the parameters to the nearest maximum of their probability given what was observed."""
        prior, spread = self._kernel.prior, self._kernel.spread
        bounds = list(zip(prior - WIDTH * spread, prior + WIDTH * spread, strict=True))
        found = minimize(
            self._loss_and_gradient,
            self.parameters.numpy(),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": STEPS},
        )
        self.parameters = torch.from_numpy(found.x)
        self._root = torch.linalg.cholesky(self._noisy(self._x, self.parameters))
        self.observe(self._y)

    def _loss_and_gradient(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = torch.from_numpy(values).requires_grad_()
        loss = self.loss(parameters)
        (gradient,) = torch.autograd.grad(loss, parameters)
        return loss.item(), gradient.numpy()

    def loss(self, parameters: Tensor) -> Tensor:
        """−log p(values, parameters), but for what does not depend on the parameters."""
        root = torch.linalg.cholesky(self._noisy(self._x, parameters))
        whitened = torch.linalg.solve_triangular(root, self._y[:, None], upper=False)
        off = (parameters - torch.from_numpy(self._kernel.prior)) / torch.from_numpy(self._kernel.spread)
        likelihood = 0.5 * whitened.square().sum() + root.diagonal().log().sum()
        return cast(Tensor, likelihood + 0.5 * len(root) * math.log(2 * math.pi) + 0.5 * off.square().sum())

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and covariance of the function without noise at … × q rows: … × q and … × q × q."""
        across = self._kernel(self._x, x, self.parameters)
        explained = self._whitened(across)
        covariance = self._kernel(x, x, self.parameters) - explained.transpose(-1, -2) @ explained
        mean = (across.transpose(-1, -2) @ self._weights)[..., 0]
        return mean, covariance + JITTER * torch.eye(x.shape[-2], dtype=x.dtype)

    def _whitened(self, across: Tensor) -> Tensor:
        whitened: Tensor = torch.linalg.solve_triangular(self._root, across, upper=False)
        return whitened

    def _noisy(self, x: Tensor, parameters: Tensor) -> Tensor:
        noise = self._kernel.noise(parameters) + JITTER
        return self._kernel(x, x, parameters) + noise * torch.eye(len(x), dtype=x.dtype)
