"""The architecture's gradient by the implicit function theorem.

Where the weights w minimise the training loss they follow the architecture, and the gradient of the
validation loss is ∇α L_valid − ∇²αw L_train · [∇²ww L_train]⁻¹ · ∇w L_valid (Lorraine et al. 2020,
https://arxiv.org/abs/1911.02590). Zhang et al. 2021 (iDARTS, https://arxiv.org/abs/2106.10784) estimate it
from batches in an architecture search, as here.
"""

import torch
from torch import Tensor

from nasturtium.oneshot.arch_step import Batch, Loss, gradients, product, repeatable
from nasturtium.oneshot.supernet import Supernet


class Neumann:
    """The inverse Hessian is `terms` terms of its Neumann series, `rate` · Σ (1 − `rate` · Hessian)ᵏ.

    L_train has the weight decay of the weights' optimiser in it. The series converges where `rate` times the
    largest eigenvalue of the Hessian is below 2 and the Hessian is positive; a few terms are what as many
    steps of gradient descent at that rate would tell.
    """

    def __init__(self, terms: int, rate: float) -> None:
        self.terms = terms
        self.rate = rate

    @property
    def passes(self) -> int:
        """One on either batch; every product with a second derivative counts as one more of each kind."""
        return 2 + self.terms

    @property
    def backward_passes(self) -> int:
        """One for each forward pass."""
        return self.passes

    def gradient(
        self, supernet: Supernet, train: Batch, valid: Batch, loss: Loss, optimizer: torch.optim.SGD
    ) -> dict[str, Tensor]:
        """Weights and BatchNorm statistics are left as they are."""
        weights: dict[str, Tensor] = dict(supernet.net.named_parameters("net"))
        alphas = dict(supernet.alphas.items())
        decay = optimizer.param_groups[0]["weight_decay"]
        loss_at = repeatable(supernet, loss)
        direct = gradients(loss_at({}, valid), {**alphas, **weights})
        slopes = gradients(loss_at({}, train), weights, graph=True)

        term = {name: direct[name] for name in weights}
        series = dict(term)
        for _ in range(self.terms - 1):
            bent = product(slopes, weights, term)
            term = {n: t - self.rate * (bent[n] + decay * t) for n, t in term.items()}
            series = {n: total + term[n] for n, total in series.items()}
        mixed = product(slopes, alphas, series)
        return {name: direct[name] - self.rate * mixed[name] for name in alphas}
