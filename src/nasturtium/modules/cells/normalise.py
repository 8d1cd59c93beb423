"""BatchNorm without parameters that keeps its output for the backward pass, and not its input.

The output is kept anyway where a ReLU and a convolution follow that remember what came before the ReLU, and
the gradient needs no more than it: with y = (x − mean)·s over N values of a channel, s = (variance + eps)^−½,

    ∂L/∂x = s·(g − mean(g) − y·mean(g·y)).
"""

from typing import Any

import torch
from torch import Tensor


def normalise(x_BCHW: Tensor, mean_C: Tensor, var_C: Tensor, momentum: float, eps: float) -> Tensor:
    """`F.batch_norm` in training, of a tensor in the CPU's memory; running `mean_C` and `var_C` are
    updated.
    """
    y: Tensor = _Normalise.apply(x_BCHW, (mean_C, var_C), momentum, eps)[0]
    return y


class _Normalise(torch.autograd.Function):
    """Returns s as well, so that a gradient of the gradient finds its way through it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, running: tuple[Tensor, Tensor], momentum: float, eps: float
    ) -> tuple[Tensor, Tensor]:
        """B×C×H×W → B×C×H×W and C."""
        y, _, s = torch.native_batch_norm(x, None, None, *running, True, momentum, eps)
        ctx.save_for_backward(y, s)
        ctx.set_materialize_grads(False)
        return y, s

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None, None]:
        """The gradient of x; that of s is there only where a gradient is differentiated again."""
        y, s = ctx.saved_tensors
        of_y, of_s = gradients
        result = None if of_y is None else _of_input(of_y, y, s)
        if of_s is not None:
            through_s = y * (s.square() * of_s / (y.numel() // len(s))).view(1, -1, 1, 1)
            result = -through_s if result is None else result - through_s
        return result, None, None, None


def _of_input(gradient: Tensor, y: Tensor, s: Tensor) -> Tensor:
    if torch.is_grad_enabled():  # torch's own second derivative takes y for an input that may be anything
        pixels = (0, 2, 3)
        centred = gradient - gradient.mean(pixels, keepdim=True)
        return s.view(1, -1, 1, 1) * (centred - y * (gradient * y).mean(pixels, keepdim=True))
    nothing, one = torch.zeros_like(s), torch.ones_like(s)
    # of an input that is normalised already
    return torch.ops.aten.native_batch_norm_backward(
        gradient, y, s, None, None, nothing, one, True, 0.0, (True, False, False)
    )[0]
