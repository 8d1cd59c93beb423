"""Operations of published cells, each a factory `(channels, stride) → nn.Module`.

DARTS: Liu et al. 2019, https://arxiv.org/abs/1806.09055. NAS-Bench-201: Dong & Yang 2020,
https://arxiv.org/abs/2001.00326. BatchNorms have scale and shift unless a mixture is being built (see
`Building`).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.registry import Registry
from nasturtium.modules.choice import current
from nasturtium.modules.edge import OpFactory

OPS: Registry[OpFactory] = Registry("modules", "operation")


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """A BatchNorm as operations use it here and now."""
    return nn.BatchNorm2d(channels, affine=current().affine)


class ReLUConvBN(nn.Sequential):
    """ReLU, convolution, BatchNorm."""

    def __init__(self, in_: int, out: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_, out, kernel, stride, padding=kernel // 2, bias=False),
            batch_norm(out),
        )


class DilConv(nn.Sequential):
    """ReLU, depthwise convolution (dilated if `dilation` > 1), pointwise convolution to `out` channels (None:
    as many as come in), BatchNorm.
    """

    def __init__(
        self, channels: int, kernel: int, stride: int, dilation: int, *, out: int | None = None
    ) -> None:
        padding = dilation * (kernel // 2)
        out = out or channels
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False),
            nn.Conv2d(channels, out, 1, bias=False),
            batch_norm(out),
        )


class SepConv(nn.Sequential):
    """Two depthwise-separable convolutions in a row, the first with the stride and the change of width."""

    def __init__(self, channels: int, kernel: int, stride: int, *, out: int | None = None) -> None:
        super().__init__(
            DilConv(channels, kernel, stride, 1, out=out), DilConv(out or channels, kernel, 1, 1)
        )


class FactorizedReduce(nn.Module):
    """Halves the image by two 1×1 convolutions, the second looking one pixel further right and down.

    Instead of a number of channels `in_` may be a function `(out, stride)` that makes the convolutions.
    """

    def __init__(self, in_: int | Callable[[int, int], nn.Module], out: int) -> None:
        super().__init__()

        def conv(width: int) -> nn.Module:
            return nn.Conv2d(in_, width, 1, 2, bias=False) if isinstance(in_, int) else in_(width, 2)

        self.conv_1 = conv(out // 2)
        self.conv_2 = conv(out - out // 2)
        self.bn = batch_norm(out)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×⌈H/2⌉×⌈W/2⌉."""
        x = F.relu(x_BCHW)
        shifted = F.pad(
            x, (-1, 1, -1, 1)
        )  # padding keeps odd sizes in step; no pixel of it is read for even ones
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(shifted)], dim=1))


class Zero(nn.Module):
    """Outputs zeros."""

    outputs_zero = True  # a mixture need not run it

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Zeros of the strided shape."""
        return x_BCHW[:, :, :: self.stride, :: self.stride] * 0.0


@OPS.register("none", summary="zeros")
def none(channels: int, stride: int) -> nn.Module:
    """No connection."""
    return Zero(stride)


@OPS.register("skip_connect", summary="identity; a factorised reduction with stride 2")
def skip_connect(channels: int, stride: int) -> nn.Module:
    """A skip connection."""
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)


@OPS.register("avg_pool_3x3", summary="average pooling")
def avg_pool_3x3(channels: int, stride: int) -> nn.Module:
    """Average pooling that does not count the padding (NAS-Bench-201)."""
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


@OPS.register("avg_pool_3x3_bn", summary="average pooling, BatchNorm without scale and shift")
def avg_pool_3x3_bn(channels: int, stride: int) -> nn.Module:
    """Average pooling as DARTS has it."""
    return nn.Sequential(avg_pool_3x3(channels, stride), nn.BatchNorm2d(channels, affine=False))


@OPS.register("max_pool_3x3_bn", summary="max pooling, BatchNorm without scale and shift")
def max_pool_3x3_bn(channels: int, stride: int) -> nn.Module:
    """Max pooling as DARTS has it."""
    return nn.Sequential(nn.MaxPool2d(3, stride, padding=1), nn.BatchNorm2d(channels, affine=False))


@OPS.register("sep_conv_3x3", summary="two separable 3×3 convolutions")
def sep_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Separable convolution, kernel 3."""
    return SepConv(channels, 3, stride)


@OPS.register("sep_conv_5x5", summary="two separable 5×5 convolutions")
def sep_conv_5x5(channels: int, stride: int) -> nn.Module:
    """Separable convolution, kernel 5."""
    return SepConv(channels, 5, stride)


@OPS.register("dil_conv_3x3", summary="separable 3×3 convolution with dilation 2")
def dil_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Dilated convolution, kernel 3."""
    return DilConv(channels, 3, stride, 2)


@OPS.register("dil_conv_5x5", summary="separable 5×5 convolution with dilation 2")
def dil_conv_5x5(channels: int, stride: int) -> nn.Module:
    """Dilated convolution, kernel 5."""
    return DilConv(channels, 5, stride, 2)


@OPS.register("nor_conv_1x1", summary="ReLU, 1×1 convolution, BatchNorm")
def nor_conv_1x1(channels: int, stride: int) -> nn.Module:
    """Plain convolution, kernel 1."""
    return ReLUConvBN(channels, channels, 1, stride)


@OPS.register("nor_conv_3x3", summary="ReLU, 3×3 convolution, BatchNorm")
def nor_conv_3x3(channels: int, stride: int) -> nn.Module:
    """Plain convolution, kernel 3."""
    return ReLUConvBN(channels, channels, 3, stride)
