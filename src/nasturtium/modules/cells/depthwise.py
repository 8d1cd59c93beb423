"""Depthwise convolution whose gradients are computed by fast routes on a CPU.

oneDNN has fast depthwise kernels in channels-last memory for every forward pass, but for the gradient of the
weights only without dilation and up to three columns, and for the gradient of the input only without
dilation. The same numbers are therefore composed of the fast ones.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Geometry = tuple[int, int, int]  # stride, padding, dilation
_COLUMNS = 3  # as many as the fast kernel has


def depthwise(
    x_BCHW: Tensor, weight_C1kk: Tensor, stride: int, padding: int, dilation: int, *, relu: bool = False
) -> Tensor:
    """`F.conv2d` with one group per channel and a square kernel, of the input or of its ReLU.

    What a backward pass will need is the input, never its ReLU.
    """
    if x_BCHW.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
        x_BCHW = x_BCHW.relu() if relu else x_BCHW
        return F.conv2d(x_BCHW, weight_C1kk, None, stride, padding, dilation, groups=len(weight_C1kk))
    if stride == dilation and stride > 1 and padding % stride == 0:
        # only every stride-th pixel is looked at; a slice's gradient would be written twice
        x_BCHW = F.avg_pool2d(x_BCHW, 1, stride)
        stride, padding, dilation = 1, padding // stride, 1
    geometry = (stride, padding, dilation)
    ticket = _WeightGradient.apply(weight_C1kk, (x_BCHW,), geometry, relu)
    y: Tensor = _Convolve.apply(x_BCHW, weight_C1kk, ticket, geometry, relu)
    return y


class _Convolve(torch.autograd.Function):
    """The convolution, and the gradient of its input.

    The gradient of the output is handed on to `_WeightGradient`, which autograd runs only where the gradient
    of the weights is asked for. Both backward passes are made of differentiable functions, so they can be
    differentiated again.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, ticket: Tensor, geometry: Geometry, relu: bool
    ) -> Tensor:
        """B×C×H×W → B×C×H'×W'."""
        ctx.save_for_backward(x, weight)
        ctx.geometry, ctx.relu = geometry, relu
        stride, padding, dilation = geometry
        x = x.relu() if relu else x
        return F.conv2d(x, weight, None, stride, padding, dilation, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor, None, None]:
        """The gradient of the input, if it has one, and the output's own gradient."""
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = _of_input(gradient, x, weight, *ctx.geometry) if ctx.needs_input_grad[0] else None
        if of_x is not None and ctx.relu:
            of_x = torch.ops.aten.threshold_backward(of_x, x, 0)
        return of_x, None, gradient, None, None


class _WeightGradient(torch.autograd.Function):
    """A ticket of the output's shape, without content, whose gradient becomes that of the weight."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, hidden: tuple[Tensor], geometry: Geometry, relu: bool) -> Tensor:
        """A zero for every output, without memory; the input is in a tuple, so that its gradient does not
        come through here."""
        (x,) = hidden
        ctx.save_for_backward(weight, x)
        ctx.geometry = stride, padding, dilation = geometry
        ctx.relu = relu
        reach = dilation * (weight.shape[-1] - 1)
        size = [(n + 2 * padding - reach - 1) // stride + 1 for n in x.shape[2:]]
        return x.new_zeros(()).expand(*x.shape[:2], *size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """The gradient of the weight, C×1×k×k."""
        weight, x = ctx.saved_tensors
        x = x.relu() if ctx.relu else x
        return _of_weight(gradients[0], x, weight, *ctx.geometry), None, None, None


def _of_input(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    reach = dilation * (weight.shape[-1] - 1)
    if dilation > 1 and stride > 1 or padding > reach:
        return _backward(gradient, x, weight, (stride, stride), (padding, padding), dilation, 0)
    if stride > 1:  # zeros for the places that were not looked at
        looked, size = gradient, [n + 2 * padding - reach for n in x.shape[2:]]
        gradient = looked.new_zeros(len(x), *size, x.shape[1]).permute(0, 3, 1, 2)
        gradient[:, :, ::stride, ::stride] = looked
    return F.conv2d(gradient, weight.flip(2, 3), None, 1, reach - padding, dilation, groups=len(weight))


def _of_weight(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int, dilation: int
) -> Tensor:
    width = weight.shape[-1]
    fast = dilation == 1 and width <= _COLUMNS
    if fast or padding != dilation * (width // 2) or width % 2 == 0 or (stride > 1 and dilation > 1):
        return _backward(gradient, x, weight, (stride, stride), (padding, padding), dilation, 1)
    c, half, grid = x.shape[1], width // 2, max(stride, dilation)
    # a row begins with `left` zeros and ends with at least `dilation`, so that what lies beyond it is zero
    left = _multiple(padding - dilation, grid)
    columns = _multiple(left + x.shape[3] + dilation, grid)
    rows = max(_multiple(x.shape[2], grid), width * grid)  # the fast kernel wants as many as it has itself
    seen = _flat(x, rows, columns, left, width * dilation * c)
    given = _flat(gradient, rows // stride, columns // stride, left // stride, 0)
    # of dilated ones, pixels of one phase (row and column modulo the dilation) meet only pixels of the same
    # phase: those of a column become channels, those of a row come one after the other
    shape = (len(x), rows // dilation, columns, dilation * c)
    given = given.view(len(x), rows // dilation // stride, columns // stride, -1).permute(0, 3, 1, 2)
    like = weight[..., :_COLUMNS].repeat(dilation, 1, 1, 1)
    parts = []
    for at in range(0, width, _COLUMNS):
        begin = (width + at - half + 1) * dilation * c  # the middle of these columns
        shifted = seen[begin : begin + math.prod(shape)].view(shape).permute(0, 3, 1, 2)
        parts.append(_backward(given, shifted, like, (stride, stride), (half, 1), 1, 1))
    return torch.cat(parts, dim=-1)[..., :width].view(dilation, c, 1, width, width).sum(0)


def _multiple(n: int, of: int) -> int:
    return -(-n // of) * of


def _flat(x_BCHW: Tensor, rows: int, columns: int, left: int, ends: int) -> Tensor:
    """Pixels one after the other, channels last, among zeros: `left` columns to their left, as many rows and
    columns behind as it takes, and `ends` values before and after all.
    """
    b, c, h, w = x_BCHW.shape
    flat = x_BCHW.new_empty(2 * ends + b * rows * columns * c)
    inner = flat[ends : len(flat) - ends].view(b, rows, columns, c)
    inner[:, :h, left : left + w] = x_BCHW.permute(0, 2, 3, 1)
    around = (inner[:, h:], inner[:, :h, :left], inner[:, :h, left + w :])
    for margin in (flat[:ends], flat[len(flat) - ends :], *around):
        margin.zero_()
    return flat


def _backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: int,
    which: int,
) -> Tensor:
    """torch's own gradient of the input (`which` 0) or of the weight (1)."""
    wanted = (which == 0, which == 1, False)
    return torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (dilation,) * 2, False, (0, 0), len(weight), wanted
    )[which]
