"""A convolution with elastic widths and kernel size (Cai et al. 2020, https://arxiv.org/abs/1908.09791).

Narrower layers use the first channels, smaller kernels the centre of the largest one (the learned kernel
transforms of that paper are not applied here).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.modules.dims import Size, possible
from nasturtium.modules.elastic.base import ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticConv2d(ElasticLayer):
    """`nn.Conv2d` whose `in_`, `out`, (odd) `kernel` and `stride` may be decisions; pads so that stride 1
    keeps the size.

    With `depthwise` each channel has its own filter, and `out` must be the very size `in_` is.
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
        edge = (self.weight.shape[-1] - kernel) // 2
        centre = slice(edge, edge + kernel)
        weight = self.weight[:out, : 1 if self.depthwise else in_, centre, centre]
        return weight, None if self.bias is None else self.bias[:out]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×H'×W' at the gated sizes."""
        in_, out, kernel = self.size(self.in_), self.size(self.out), self.size(self.kernel)
        weight, bias = self._slices(in_, out, kernel)
        padding, groups = self.dilation * (kernel // 2), in_ if self.depthwise else 1
        return F.conv2d(x_BCHW, weight, bias, self.size(self.stride), padding, self.dilation, groups)


def conv2d(
    in_: Size, out: Size, kernel: Size, *, stride: int = 1, depthwise: bool = False, bias: bool = True
) -> nn.Module:
    """An `ElasticConv2d`, or an `nn.Conv2d` with the same padding if no size is a decision."""
    if isinstance(in_, int) and isinstance(out, int) and isinstance(kernel, int):
        return _conv(in_, out, kernel, stride, 1, depthwise, bias)
    return ElasticConv2d(in_, out, kernel, stride=stride, depthwise=depthwise, bias=bias)


def _conv(
    in_: int, out: int, kernel: int, stride: int, dilation: int, depthwise: bool, bias: bool
) -> nn.Conv2d:
    padding, groups = dilation * (kernel // 2), in_ if depthwise else 1
    return nn.Conv2d(in_, out, kernel, stride, padding, dilation, groups, bias)
