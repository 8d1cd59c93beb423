"""A convolution with elastic widths and kernel size (Cai et al. 2020, https://arxiv.org/abs/1908.09791).

Narrower layers use the first channels, smaller kernels the centre of the next larger one, as it is or
transformed by a learned matrix.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import current
from nasturtium.modules.dims import Size, possible
from nasturtium.modules.elastic.base import Axis, ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticConv2d(ElasticLayer):
    """`nn.Conv2d` whose `in_`, `out`, (odd) `kernel` and `stride` may be decisions; pads so that stride 1
    keeps the size.

    With `depthwise` each channel has its own filter, and `out` must be the very size `in_` is. With
    `kernel_transforms` the k² numbers of a smaller kernel are the centre of the next larger one times a k²×k²
    matrix, one for all channels, which is learned and at first the identity. Only a supernet has these
    matrices; in a derived network they are part of its kernels.
    """

    def __init__(
        self,
        in_: Size,
        out: Size,
        kernel: Size,
        *,
        stride: Size = 1,
        dilation: int = 1,
        depthwise: bool = False,
        bias: bool = True,
        kernel_transforms: bool = False,
    ) -> None:
        super().__init__(in_, out, kernel, stride)
        if any(k % 2 == 0 for k in possible(kernel)):
            raise UsageError(f"ElasticConv2d: kernel sizes must be odd, got {sorted(possible(kernel))}")
        if depthwise and in_ != out:
            raise UsageError(f"ElasticConv2d: a depthwise layer keeps its width, got {in_} in and {out} out")
        self.in_, self.out, self.kernel = in_, out, kernel
        self.stride, self.dilation, self.depthwise = stride, dilation, depthwise
        largest = _conv(built(in_), built(out), built(kernel), 1, dilation, depthwise, bias)
        self.weight, self.bias = largest.weight, largest.bias
        steps = sorted({k for k in possible(kernel) if k < built(kernel)}, reverse=True)
        self._steps = steps if kernel_transforms and current().arch is None else []
        self.kernel_maps = nn.ParameterList(torch.eye(k * k) for k in self._steps)

    def axes(self) -> Iterator[Axis]:
        """The channels of filters and biases."""
        yield Axis(self.weight, 0, self.out)
        if not self.depthwise:
            yield Axis(self.weight, 1, self.in_, reads=True)
        if self.bias is not None:
            yield Axis(self.bias, 0, self.out)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Conv2d` with the chosen slice of the weights."""
        in_, out, kernel = (chosen(size, arch) for size in (self.in_, self.out, self.kernel))
        stride, bias_too = chosen(self.stride, arch), self.bias is not None
        conv = _conv(in_, out, kernel, stride, self.dilation, self.depthwise, bias_too).to(self.weight)
        weight, bias = self._slices(in_, out, kernel)
        with torch.no_grad():
            conv.weight.copy_(weight)
            if bias is not None and conv.bias is not None:
                conv.bias.copy_(bias)
        return conv

    def _slices(self, in_: int, out: int, kernel: int) -> tuple[Tensor, Tensor | None]:
        weight = self.weight[:out, : 1 if self.depthwise else in_]
        for step, matrix in zip(self._steps, self.kernel_maps, strict=True):
            if step >= kernel:
                weight = F.linear(_centre(weight, step).flatten(2), matrix).unflatten(2, (step, step))
        return _centre(weight, kernel), None if self.bias is None else self.bias[:out]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×H'×W' at the gated sizes."""
        in_, out, kernel = self.size(self.in_), self.size(self.out), self.size(self.kernel)
        weight, bias = self._slices(in_, out, kernel)
        padding, groups = self.dilation * (kernel // 2), in_ if self.depthwise else 1
        return F.conv2d(x_BCHW, weight, bias, self.size(self.stride), padding, self.dilation, groups)


def _centre(weight_OIKK: Tensor, kernel: int) -> Tensor:
    edge = (weight_OIKK.shape[-1] - kernel) // 2
    return weight_OIKK[:, :, edge : edge + kernel, edge : edge + kernel]


def conv2d(
    in_: Size,
    out: Size,
    kernel: Size,
    *,
    stride: int = 1,
    depthwise: bool = False,
    bias: bool = True,
    kernel_transforms: bool = False,
) -> nn.Module:
    """An `ElasticConv2d`, or an `nn.Conv2d` with the same padding if no size is a decision."""
    if isinstance(in_, int) and isinstance(out, int) and isinstance(kernel, int):
        return _conv(in_, out, kernel, stride, 1, depthwise, bias)
    return ElasticConv2d(
        in_,
        out,
        kernel,
        stride=stride,
        depthwise=depthwise,
        bias=bias,
        kernel_transforms=kernel_transforms,
    )


def _conv(
    in_: int, out: int, kernel: int, stride: int, dilation: int, depthwise: bool, bias: bool
) -> nn.Conv2d:
    padding, groups = dilation * (kernel // 2), in_ if depthwise else 1
    return nn.Conv2d(in_, out, kernel, stride, padding, dilation, groups, bias)
