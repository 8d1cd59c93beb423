"""How sharply the validation loss bends over the architecture parameters, and when to stop because of it.

Zela et al. 2020 (RobustDARTS, https://arxiv.org/abs/1909.09656): the largest eigenvalue of ∇²α L_valid grows
when a search begins to prefer architectures that do badly by themselves.
"""

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse.linalg import LinearOperator, eigsh

from nasturtium.oneshot.arch_step import Batch, Loss, gradients, product, repeatable
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch

TOLERANCE = 1e-3  # relative; from batch to batch the eigenvalue differs by far more

Vector = npt.NDArray[np.float64]


def dominant_eigenvalue(supernet: Supernet, batch: Batch, loss: Loss) -> tuple[float, Cost]:
    """The largest eigenvalue of the Hessian of the loss of `batch` with respect to all `alphas` together, and
    what it cost, where a product with the Hessian counts as a pass.

    The supernet, its BatchNorm statistics and the random numbers of its gates are left as they are.
    """
    assert supernet.relaxation is not None
    alphas = dict(supernet.alphas.items())
    draws = supernet.relaxation.generator.get_state()
    slopes = gradients(repeatable(supernet, loss)({}, batch), alphas, graph=True)
    supernet.relaxation.generator.set_state(draws)
    passes = 1

    def times_hessian(vector: Vector) -> Vector:
        nonlocal passes
        passes += 1
        parts = np.split(vector.reshape(-1), np.cumsum([alpha.numel() for alpha in alphas.values()])[:-1])
        rows = {
            name: torch.from_numpy(part).to(alpha).view_as(alpha)
            for (name, alpha), part in zip(alphas.items(), parts, strict=True)
        }
        found = product(slopes, alphas, rows)
        return torch.cat([row.flatten() for row in found.values()]).double().cpu().numpy()

    value = largest_eigenvalue(times_hessian, sum(alpha.numel() for alpha in alphas.values()))
    return value, Cost(forward=passes, backward=passes)


def largest_eigenvalue(times: Callable[[Vector], Vector], size: int) -> float:
    """That of a symmetric matrix of `size` rows, known by its product with a vector; the Lanczos method."""
    start = np.random.default_rng(0).standard_normal(size)
    first = times(start)
    if size == 1 or not first.any():  # the method needs a direction that the matrix does not send to zero
        return float(first[0] / start[0])
    matrix = LinearOperator((size, size), matvec=times, dtype=np.float64)
    found = eigsh(matrix, k=1, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)
    return float(found[0])


class CurvatureStop:
    """Ends a search when the eigenvalue has grown by a third, and takes the architecture from before.

    With λ̄(i), the mean over the `WINDOW` epochs around i, the search ends when λ̄(i − `WINDOW`) / λ̄(i) <
    `RATIO`, and what epoch i − `WINDOW` pointed to is kept. As in the authors' code the first fifth of the
    search is never returned to (10 of 50 epochs), since the weights mean little by then. Epochs without a
    measured eigenvalue are passed over.
    """

    WINDOW = 5
    RATIO = 0.75
    EARLIEST = 0.2

    def kept(self, curve: Sequence[SearchEpoch], epochs: int) -> int | None:
        """The epoch whose architecture is taken, which ends the search of `epochs`; None: it goes on."""
        measured = [(e.epoch, e.eigenvalue) for e in curve if e.eigenvalue is not None]
        if len(measured) < 2 * self.WINDOW:
            return None
        now = fmean(value for _, value in measured[-self.WINDOW :])
        before = fmean(value for _, value in measured[-2 * self.WINDOW : -self.WINDOW])
        epoch = measured[-self.WINDOW - 1 - self.WINDOW // 2][0]
        grown = now > 0 and before < self.RATIO * now
        return epoch if grown and epoch >= self.EARLIEST * epochs else None

    def remark(self, curve: Sequence[SearchEpoch], epochs: int) -> str:
        """What became of the search, in a sentence."""
        epoch = self.kept(curve, epochs)
        if epoch is not None:
            return (
                f"The search was stopped after epoch {len(curve)} of {epochs}, because the curvature of the"
                f" validation loss had grown by more than a third; the architecture is that of epoch {epoch}."
            )
        if sum(e.eigenvalue is not None for e in curve) < 2 * self.WINDOW:
            return (
                f"The search was too short to be stopped early: that takes {2 * self.WINDOW} measurements of"
                " the curvature."
            )
        return "The curvature of the validation loss gave no reason to stop the search early."
