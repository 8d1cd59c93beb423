"""Operations of cells whose inputs may have another width than their outputs: `(channels in, out, stride)`.

NASNet: Zoph et al. 2018, https://arxiv.org/abs/1707.07012; AmoebaNet: Real et al. 2019,
https://arxiv.org/abs/1802.01548; ENAS: Pham et al. 2018, https://arxiv.org/abs/1802.03268. Every convolution
is ReLU, convolution, BatchNorm; separable ones are applied twice; pooling is followed by a 1×1 convolution
where the width changes. Beyond the papers: a skip connection that must reduce or widen is a factorised
reduction or a 1×1 convolution, as in the authors' code; dilation is 2. Their code for AmoebaNet squeezes the
1×7 and 7×1 convolutions to a quarter of the channels; here they are full.
"""

from collections.abc import Callable, Mapping

from torch import nn

from nasturtium.modules.edge import OpFactory
from nasturtium.modules.ops import OPS, DilConv, FactorizedReduce, ReLUConvBN, SepConv, batch_norm

PairOp = Callable[[int, int, int], nn.Module]
"""Makes an operation from the channels that come in, those that leave it, and its stride."""


def skip_connect(in_: int, out: int, stride: int) -> nn.Module:
    """Identity; a factorised reduction with stride 2; a 1×1 convolution if only the width changes."""
    if stride > 1:
        return FactorizedReduce(in_, out)
    return nn.Identity() if in_ == out else ReLUConvBN(in_, out, 1)


def conv_1x1(in_: int, out: int, stride: int) -> nn.Module:
    """Plain convolution, kernel 1."""
    return ReLUConvBN(in_, out, 1, stride)


def conv_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Plain convolution, kernel 3."""
    return ReLUConvBN(in_, out, 3, stride)


def conv_3x1_1x3(in_: int, out: int, stride: int) -> nn.Module:
    """Convolution along rows, then along columns, 3 each."""
    return Factorized(in_, out, 3, stride)


def conv_7x1_1x7(in_: int, out: int, stride: int) -> nn.Module:
    """Convolution along rows, then along columns, 7 each."""
    return Factorized(in_, out, 7, stride)


def dilated_conv_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Dilated convolution of all channels, kernel 3."""
    return nn.Sequential(
        nn.ReLU(), nn.Conv2d(in_, out, 3, stride, padding=2, dilation=2, bias=False), batch_norm(out)
    )


def dil_conv_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Dilated separable convolution, kernel 3."""
    return DilConv(in_, 3, stride, 2, out=out)


def sep_conv_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Separable convolution, kernel 3."""
    return SepConv(in_, 3, stride, out=out)


def sep_conv_5x5(in_: int, out: int, stride: int) -> nn.Module:
    """Separable convolution, kernel 5."""
    return SepConv(in_, 5, stride, out=out)


def sep_conv_7x7(in_: int, out: int, stride: int) -> nn.Module:
    """Separable convolution, kernel 7."""
    return SepConv(in_, 7, stride, out=out)


def avg_pool_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Average pooling that does not count the padding."""
    return _pooled(nn.AvgPool2d(3, stride, padding=1, count_include_pad=False), in_, out)


def max_pool_3x3(in_: int, out: int, stride: int) -> nn.Module:
    """Max pooling over 3×3 pixels."""
    return _pooled(nn.MaxPool2d(3, stride, padding=1), in_, out)


def max_pool_5x5(in_: int, out: int, stride: int) -> nn.Module:
    """Max pooling over 5×5 pixels."""
    return _pooled(nn.MaxPool2d(5, stride, padding=2), in_, out)


def max_pool_7x7(in_: int, out: int, stride: int) -> nn.Module:
    """Max pooling over 7×7 pixels."""
    return _pooled(nn.MaxPool2d(7, stride, padding=3), in_, out)


class Factorized(nn.Sequential):
    """A 1×k and a k×1 convolution, each with ReLU before and BatchNorm behind."""

    def __init__(self, in_: int, out: int, kernel: int, stride: int) -> None:
        half = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_, out, (1, kernel), (1, stride), (0, half), bias=False),
            batch_norm(out),
            nn.ReLU(),
            nn.Conv2d(out, out, (kernel, 1), (stride, 1), (half, 0), bias=False),
            batch_norm(out),
        )


def _pooled(pool: nn.Module, in_: int, out: int) -> nn.Module:
    if in_ == out:
        return pool
    return nn.Sequential(pool, nn.Conv2d(in_, out, 1, bias=False), batch_norm(out))


PAIR_OPS: Mapping[str, PairOp] = {
    make.__name__: make
    for make in (
        skip_connect,
        conv_1x1,
        conv_3x3,
        conv_3x1_1x3,
        conv_7x1_1x7,
        dilated_conv_3x3,
        dil_conv_3x3,
        sep_conv_3x3,
        sep_conv_5x5,
        sep_conv_7x7,
        avg_pool_3x3,
        max_pool_3x3,
        max_pool_5x5,
        max_pool_7x7,
    )
}


def _same_width(make: PairOp) -> OpFactory:
    return lambda channels, stride: make(channels, channels, stride)


for _name, _summary in {
    "conv_1x1": "ReLU, 1×1 convolution, BatchNorm",
    "conv_3x3": "ReLU, 3×3 convolution, BatchNorm",
    "conv_3x1_1x3": "a 1×3 and a 3×1 convolution",
    "conv_7x1_1x7": "a 1×7 and a 7×1 convolution",
    "dilated_conv_3x3": "ReLU, 3×3 convolution with dilation 2, BatchNorm",
    "sep_conv_7x7": "two separable 7×7 convolutions",
    "max_pool_3x3": "max pooling",
    "max_pool_5x5": "max pooling over 5×5 pixels",
    "max_pool_7x7": "max pooling over 7×7 pixels",
}.items():
    OPS.register(_name, summary=_summary, place=f"{__name__}.{_name}")(_same_width(PAIR_OPS[_name]))
