"""What BoTorch (Balandat et al. 2020, https://arxiv.org/abs/1910.06403) says a candidate is worth."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from botorch.acquisition.analytic import LogExpectedImprovement
from botorch.acquisition.logei import qLogNoisyExpectedImprovement
from botorch.acquisition.multi_objective.logei import qLogNoisyExpectedHypervolumeImprovement
from botorch.acquisition.multi_objective.utils import prune_inferior_points_multi_objective
from botorch.acquisition.utils import prune_inferior_points
from botorch.models.model import Model
from botorch.posteriors.gpytorch import GPyTorchPosterior
from botorch.sampling.normal import SobolQMCNormalSampler
from gpytorch.distributions import MultitaskMultivariateNormal, MultivariateNormal
from torch import Tensor

from nasturtium.strategies.learned.gaussian_process import GaussianProcess

DRAWS = 64  # of the values that are uncertain, in place of an integral
THINNING = 256  # draws, in none of which a row is the best if it is left out of what is to be improved on


class Independent(Model):
    """Gaussian processes for one objective each, as BoTorch wants them."""

    def __init__(self, processes: list[GaussianProcess]) -> None:
        super().__init__()
        self._processes = processes

    @property
    def num_outputs(self) -> int:
        """The number of objectives."""
        return len(self._processes)

    @property
    def batch_shape(self) -> torch.Size:
        """That of no batch."""
        return torch.Size()

    def posterior(self, X: Tensor, *_: Any, **__: Any) -> GPyTorchPosterior:  # noqa: N803 (BoTorch's name)
        """The joint distribution of … × q rows."""
        normals = [MultivariateNormal(*process.predict(X)) for process in self._processes]
        joint = MultitaskMultivariateNormal.from_independent_mvns(normals) if len(normals) > 1 else normals[0]
        return GPyTorchPosterior(joint)


class Acquisition:
    """The logarithm of the expected improvement over what was told.

    `told` are rows that the processes have observed, `pending` rows whose values are not known yet. With one
    objective and nothing pending it is the closed form of Ament et al. 2023
    (https://arxiv.org/abs/2310.20708), over the largest mean among `told`. With pending rows it is the mean
    over draws of their values and those of `told` (noisy expected improvement, Letham et al. 2019,
    https://arxiv.org/abs/1706.07094); with several objectives that of the hypervolume beyond `reference`
    (Daulton et al. 2021, https://arxiv.org/abs/2105.08195). More of each objective is better.
    """

    def __init__(
        self, processes: list[GaussianProcess], told: Tensor, pending: Tensor, reference: Tensor, *, seed: int
    ) -> None:
        model = Independent(processes)
        self._seed = seed
        with self._isolated():
            if len(processes) == 1 and not len(pending):
                best = model.posterior(told[:, None]).mean.max()
                self._worth: Any = LogExpectedImprovement(model, best)
                return
            options: dict[str, Any] = {
                "X_pending": pending if len(pending) else None,
                "sampler": SobolQMCNormalSampler(torch.Size([DRAWS]), seed=seed),
            }
            if len(processes) == 1:
                best = prune_inferior_points(model, told, num_samples=THINNING)
                self._worth = qLogNoisyExpectedImprovement(model, best, **options)
            else:
                best = prune_inferior_points_multi_objective(model, told, reference, num_samples=THINNING)
                self._worth = qLogNoisyExpectedHypervolumeImprovement(model, reference, best, **options)

    def __call__(self, x: Tensor) -> np.ndarray:
        """Of candidates, n rows → n."""
        with self._isolated():
            worth: np.ndarray = self._worth(x[:, None]).numpy()
        return worth

    @contextmanager
    def _isolated(self) -> Iterator[None]:
        """BoTorch draws global random numbers when it thins out `told`."""
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self._seed)
            yield
