"""The parts of mobile networks: inverted residual blocks (MobileNetV2, Sandler et al. 2018,
https://arxiv.org/abs/1801.04381), their stems and heads, and the rounding of widths.

Where no size is a decision, all layers are plain ones. BatchNorms have PyTorch's own constants (ε = 10⁻⁵);
the originals of several of these networks have ε = 10⁻³.
"""

from collections.abc import Callable

from torch import nn

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.conv import conv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d, batch_norm2d
from nasturtium.modules.shortcut import Residual

Activation = Callable[[], nn.Module]


def conv_block(
    in_: Size, out: Size, kernel: Size, *, stride: int = 1, activation: Activation = nn.ReLU
) -> nn.Sequential:
    """Convolution, BatchNorm, activation."""
    norm = nn.BatchNorm2d(out) if isinstance(out, int) else ElasticBatchNorm2d(out)
    return nn.Sequential(conv2d(in_, out, kernel, stride=stride, bias=False), norm, activation())


def inverted(
    in_: Size,
    middle: Size | None,
    out: Size,
    kernel: Size,
    *,
    stride: int = 1,
    activation: Activation = nn.ReLU,
    excite: nn.Module | None = None,
    kernel_transforms: bool = False,
) -> nn.Sequential:
    """1×1 convolution to `middle` channels (none if None), depthwise convolution, `excite`, and a linear
    1×1 convolution to `out` channels. `kernel_transforms` as in `ElasticConv2d`.
    """
    layers: list[nn.Module] = []
    wide = in_ if middle is None else middle
    if middle is not None:
        layers += [conv2d(in_, wide, 1, bias=False), batch_norm2d(wide), activation()]
    depthwise = conv2d(
        wide,
        wide,
        kernel,
        stride=stride,
        depthwise=True,
        bias=False,
        kernel_transforms=kernel_transforms,
    )
    layers += [depthwise, batch_norm2d(wide), activation()]
    if excite is not None:
        layers.append(excite)
    return nn.Sequential(*layers, conv2d(wide, out, 1, bias=False), batch_norm2d(out))


def residual(body: nn.Module, in_: Size, out: Size, stride: int) -> nn.Module:
    """`body` with the input added to its output where the shape stays; where not, `body` itself."""
    return Residual(body) if stride == 1 and in_ == out else body


def classifier(channels: int, classes: int) -> tuple[nn.Module, ...]:
    """The mean over all pixels and one fully connected layer."""
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)


def strides(first: int, stages: tuple[int, ...], cifar: bool) -> tuple[int, tuple[int, ...]]:
    """The strides of a stem and of stages; for images of CIFAR's size the first two reductions are left out,
    so that the whole network divides the image by 8 instead of 32.
    """
    if not cifar:
        return first, stages
    at = stages.index(2)
    return 1, (*stages[:at], 1, *stages[at + 1 :])


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of `divisor`, at least one, and not more than a tenth less than `channels`."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
