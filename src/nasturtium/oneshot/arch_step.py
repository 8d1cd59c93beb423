"""The gradient of the validation loss with respect to architecture parameters.

DARTS (Liu et al. 2019, https://arxiv.org/abs/1806.09055): the weights are approximated by themselves (first
order) or by one virtual step of their optimiser, momentum and weight decay included (second order).
"""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.func import functional_call

from nasturtium.core.errors import UsageError
from nasturtium.oneshot.parallel import average, processes
from nasturtium.oneshot.supernet import Supernet

Batch = tuple[Tensor, Tensor]
Loss = Callable[[Any, Tensor], Tensor]  # of what the network returns, and labels


class ArchStep(Protocol):
    """How architecture parameters get their gradient."""

    @property
    def passes(self) -> int:
        """Forward passes of one gradient."""

    @property
    def backward_passes(self) -> int:
        """Backward passes of one gradient."""

    def gradient(
        self, supernet: Supernet, train: Batch, valid: Batch, loss: Loss, optimizer: torch.optim.SGD
    ) -> dict[str, Tensor]:
        """One gradient per row of `supernet.alphas`; `optimizer` is the weights' one."""


class FirstOrder:
    """∇α L_valid(w, α): today's weights stand for the best ones."""

    passes = 1
    backward_passes = 1

    def gradient(
        self, supernet: Supernet, train: Batch, valid: Batch, loss: Loss, optimizer: torch.optim.SGD
    ) -> dict[str, Tensor]:
        """One backward pass on the validation batch; weight gradients are neither computed nor touched."""
        x, y = valid
        return gradients(loss(supernet(x), y), dict(supernet.alphas.items()))


class SecondOrder:
    """∇α L_valid(w − ξ·step(w, α), α), where step is what the weights' optimiser would do with the training
    batch.

    The product of the mixed second derivative with v = ∇w′ L_valid is a central difference with ε =
    0.01/‖v‖₂, as in the paper; `exact` computes it by double backward instead, which needs more memory.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.exact = exact

    @property
    def passes(self) -> int:
        """Two for the virtual step, two more for the difference."""
        return 2 if self.exact else 4

    @property
    def backward_passes(self) -> int:
        """One for each forward pass."""
        return self.passes

    def gradient(
        self, supernet: Supernet, train: Batch, valid: Batch, loss: Loss, optimizer: torch.optim.SGD
    ) -> dict[str, Tensor]:
        """Weights, momentum and BatchNorm statistics are left as they are."""
        if self.exact and processes() > 1:
            raise UsageError("the exact second order works in one process; use its finite difference")
        weights: dict[str, Tensor] = dict(supernet.net.named_parameters("net"))
        alphas = dict(supernet.alphas.items())
        loss_at = repeatable(supernet, loss)
        step = gradients(loss_at(weights, train), weights, graph=self.exact)
        rate = optimizer.param_groups[0]["lr"]
        virtual = {name: w - rate * _step(optimizer, w, step[name]) for name, w in weights.items()}
        if self.exact:
            return gradients(loss_at(virtual, valid), alphas)

        virtual = {name: w.detach().requires_grad_() for name, w in virtual.items()}
        both = gradients(loss_at(virtual, valid), {**alphas, **virtual})
        v = {name: both[name] for name in weights}
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in v.values()]))
        epsilon = 0.01 / norm.clamp(min=1e-12)  # without a gradient the difference is zero, whatever ε is
        ahead, behind = (
            gradients(
                loss_at({n: w.detach() + sign * epsilon * v[n] for n, w in weights.items()}, train), alphas
            )
            for sign in (1, -1)
        )
        return {n: both[n] - rate * (ahead[n] - behind[n]) / (2 * epsilon) for n in alphas}


def repeatable(supernet: Supernet, loss: Loss) -> Callable[[dict[str, Tensor], Batch], Tensor]:
    """The loss as a function of parameters by name (the others stay as they are) and a batch.

    Every call runs the same gates, and none touches BatchNorm statistics.
    """
    assert supernet.relaxation is not None
    generator = supernet.relaxation.generator
    draws = generator.get_state()
    buffers = {name: buffer.clone() for name, buffer in supernet.named_buffers()}

    def loss_at(values: dict[str, Tensor], batch: Batch) -> Tensor:
        generator.set_state(draws)
        return loss(functional_call(supernet, {**values, **buffers}, (batch[0],)), batch[1])

    return loss_at


def gradients(loss: Tensor, at: dict[str, Tensor], *, graph: bool = False) -> dict[str, Tensor]:
    """Gradients by name, zero where the loss does not depend on a tensor.

    They are averaged over all processes, but for those with a `graph`, of which `product` averages what it
    makes.
    """
    found = torch.autograd.grad(loss, list(at.values()), create_graph=graph, allow_unused=True)
    slopes = {
        name: torch.zeros_like(x) if g is None else g for (name, x), g in zip(at.items(), found, strict=True)
    }
    if not graph:
        average(slopes.values())
    return slopes


def product(slopes: dict[str, Tensor], at: dict[str, Tensor], vector: dict[str, Tensor]) -> dict[str, Tensor]:
    """The derivative with respect to `at` of `slopes` · `vector`, by name, averaged over all processes: where
    `slopes` is a gradient taken with its graph, a product with a second derivative. The graph is kept for
    more of them.
    """
    bent = [name for name, slope in slopes.items() if slope.requires_grad]
    if not bent:
        return {name: torch.zeros_like(x) for name, x in at.items()}
    found = torch.autograd.grad(
        [slopes[name] for name in bent],
        list(at.values()),
        [vector[name] for name in bent],
        retain_graph=True,
        allow_unused=True,
        materialize_grads=True,
    )
    average(found)
    return dict(zip(at, found, strict=True))


def _step(optimizer: torch.optim.SGD, weight: Tensor, gradient: Tensor) -> Tensor:
    """What SGD would subtract from `weight`, per unit of learning rate."""
    group = optimizer.param_groups[0]
    step = gradient + group["weight_decay"] * weight
    buffer = optimizer.state[weight].get("momentum_buffer") if weight in optimizer.state else None
    return step if buffer is None else step + group["momentum"] * buffer
