"""Depthwise convolution whose gradients are computed by fast routes on a CPU.

oneDNN has fast depthwise kernels in channels-last memory for every forward pass, but for the gradient of the
weights only without dilation and up to three columns, and for the gradient of the input only without
dilation. The same numbers are therefore composed of the fast ones.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Geometry = tuple[int, int, int]  # stride, padding, dilation
_COLUMNS = 3  # as many as the fast kernel has


def depthwise(x_BCHW: Tensor, weight_C1kk: Tensor, stride: int, padding: int, dilation: int) -> Tensor:
    """`F.conv2d` with one group per channel and a square kernel."""
    if x_BCHW.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        return F.conv2d(x_BCHW, weight_C1kk, None, stride, padding, dilation, groups=len(weight_C1kk))
    if stride == dilation and stride > 1 and padding % stride == 0:
        # only every stride-th pixel is looked at
        x_BCHW = x_BCHW[:, :, ::stride, ::stride].contiguous(memory_format=torch.channels_last)
        stride, padding, dilation = 1, padding // stride, 1
    geometry = (stride, padding, dilation)
    ticket = _WeightGradient.apply(weight_C1kk, (x_BCHW,), geometry)
    y: Tensor = _Convolve.apply(x_BCHW, weight_C1kk, ticket, geometry)
    return y


class _Convolve(torch.autograd.Function):
    """The convolution, and the gradient of its input.

    The gradient of the output is handed on to `_WeightGradient`, which autograd runs only where the gradient
    of the weights is asked for. Both backward passes are made of differentiable functions, so they can be
    differentiated again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, ticket: Tensor, geometry: Geometry) -> Tensor:
        """B×C×H×W → B×C×H'×W'."""
        ctx.save_for_backward(x, weight)
        ctx.geometry = geometry
        stride, padding, dilation = geometry
        return F.conv2d(x, weight, None, stride, padding, dilation, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor, None]:
        """The gradient of the input, if it has one, and the output's own gradient."""
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = _of_input(gradient, x, weight, *ctx.geometry) if ctx.needs_input_grad[0] else None
        return of_x, None, gradient, None


class _WeightGradient(torch.autograd.Function):
    """A ticket of the output's shape, without content, whose gradient becomes that of the weight."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, hidden: tuple[Tensor], geometry: Geometry) -> Tensor:
        """A zero for every output, without memory; the input is in a tuple, so that its gradient does not
        come through here."""
        (x,) = hidden
        ctx.save_for_backward(weight, x)
        ctx.geometry = stride, padding, dilation = geometry
        reach = dilation * (weight.shape[-1] - 1)
        size = [(n + 2 * padding - reach - 1) // stride + 1 for n in x.shape[2:]]
        return x.new_zeros(()).expand(*x.shape[:2], *size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient of the weight, C×1×k×k."""
        weight, x = ctx.saved_tensors
        return _of_weight(gradients[0], x, weight, *ctx.geometry), None, None


def _of_input(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    reach = dilation * (weight.shape[-1] - 1)
    if stride == 1 and padding <= reach:
        return F.conv2d(gradient, weight.flip(2, 3), None, 1, reach - padding, dilation, groups=len(weight))
    return _backward(gradient, x, weight, stride, padding, dilation, 0)


def _of_weight(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    if dilation > 1 and stride == 1:
        # pixels of one phase (row and column modulo the dilation) meet only pixels of the same phase
        rows, columns = (-size % dilation for size in gradient.shape[2:])
        x = _phases(F.pad(x, (padding, padding + columns, padding, padding + rows)), dilation)
        gradient = _phases(F.pad(gradient, (0, columns, 0, rows)), dilation)
        padding, dilation = 0, 1
    width = weight.shape[-1]
    if dilation > 1 or width <= _COLUMNS:
        return _backward(gradient, x, weight, stride, padding, dilation, 1)
    parts, at = [], 0
    while at < width:
        count = min(_COLUMNS, width - at)
        seen = F.pad(x, (padding - at, padding - (width - at - count), padding, padding))
        parts.append(_backward(gradient, seen, weight[..., at : at + count], stride, 0, 1, 1))
        at += count
    return torch.cat(parts, dim=-1)


def _phases(x_BCHW: Tensor, n: int) -> Tensor:
    """B×C×H×W → n²B×C×H/n×W/n, channels last."""
    b, c, h, w = x_BCHW.shape
    x = x_BCHW.permute(0, 2, 3, 1).reshape(b, h // n, n, w // n, n, c).permute(2, 4, 0, 1, 3, 5)
    return x.reshape(n * n * b, h // n, w // n, c).permute(0, 3, 1, 2)


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int, which: int
) -> Tensor:
    """torch's own gradient of the input (`which` 0) or of the weight (1)."""
    wanted = (which == 0, which == 1, False)
    pairs = [(n, n) for n in (stride, padding, dilation)]
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, None, *pairs, False, (0, 0), len(weight), wanted
    )[which]
