"""The factorised hierarchical space of MnasNet (Tan et al. 2019, https://arxiv.org/abs/1807.11626).

Seven stages, and in each one choice for all of its layers: the operation (a convolution, a
depthwise-separable one, or an inverted residual block of expansion 3 or 6), the kernel,
squeeze-and-excitation, the shortcut, the width (0.75, 1 or 1.25 times MobileNetV2's) and the number of
layers (MobileNetV2's, one less or one more, but at least one). That makes 4·2·2·3·3·3 = 432 a stage, the
number in the paper, which speaks of about 10¹³ networks for five such stages.

Where the paper leaves details open: the shortcut `pool` adds the input averaged over 3×3 pixels; shortcuts
are around all layers but the first of a stage, which change the shape; squeeze-and-excitation reduces to a
quarter of a layer's input. The largest width of stages 5 and 6 is that of the published networks (112 and
192) instead of 1.25 times MobileNetV2's, so that they are points of this space (`A1`, `B1`).
"""

from collections.abc import Callable

from torch import nn

from nasturtium.modules.blocks.mbconv import classifier, conv_block, inverted, round_channels, strides
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, Own, derived
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.shortcut import Shortcut
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Option, Value
from nasturtium.spaces.base import require_image, space

STEM, FEATURES = 32, 1280
KERNELS = (3, 5)
WIDTHS = (
    (12, 16, 20),
    (18, 24, 30),
    (24, 32, 40),
    (48, 64, 80),
    (72, 96, 112),
    (120, 160, 192),
    (240, 320, 400),
)
LAYERS = ((1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (2, 3, 4), (2, 3, 4), (1, 2))
STRIDES = (1, 2, 2, 2, 1, 2, 1)  # of the first layer of a stage


def operation(name: str, in_: Own, out: Own, stride: int) -> OneOf:
    """The choice between four operations, of one kernel size."""
    kernel = Dim(f"{name}/kernel", KERNELS)
    reduced = derived(lambda channels: max(1, channels // 4), in_, hidden=True)

    def excite(channels: Own) -> OneOf:
        return OneOf(f"{name}/se", {0: nn.Identity, 0.25: lambda: SqueezeExcite(channels, reduced)})

    def conv() -> nn.Module:
        return nn.Sequential(conv_block(in_, out, kernel, stride=stride), excite(out))

    def separable() -> nn.Module:
        return inverted(in_, None, out, kernel, stride=stride, excite=excite(in_))

    def expanded(ratio: int) -> Callable[[], nn.Module]:
        middle = derived(lambda channels: ratio * channels, in_, hidden=True)
        return lambda: inverted(in_, middle, out, kernel, stride=stride, excite=excite(middle))

    candidates: dict[Option, Callable[[], nn.Module]] = {"conv": conv, "sep": separable}
    return OneOf(f"{name}/op", candidates | {"mb3": expanded(3), "mb6": expanded(6)})


def stage(number: int, in_: Own, out: Own, stride: int) -> Repeat:
    """A stack of layers, the first with the stride."""
    name = f"stage{number}"

    def layer(i: int) -> nn.Module:
        if i == 0:
            return operation(name, in_, out, stride)
        shortcuts: dict[Option, Callable[[], nn.Module] | None] = {
            "none": None,
            "identity": nn.Identity,
            "pool": lambda: nn.AvgPool2d(3, 1, padding=1, count_include_pad=False),
        }
        return Shortcut(f"{name}/skip", operation(name, out, out, 1), shortcuts)

    return Repeat(f"{name}/layers", layer, LAYERS[number - 1])


class MnasNetwork(nn.Sequential):
    """Stem, seven stages, 1×1 convolution, classifier."""

    def __init__(self, input_channels: int, classes: int, *, width: int, cifar: bool) -> None:
        def scaled(channels: int) -> int:
            return channels if width == 100 else round_channels(channels * width / 100)

        stem_stride, stage_strides = strides(2, STRIDES, cifar)
        stem = scaled(STEM)
        layers: list[nn.Module] = [conv_block(input_channels, stem, 3, stride=stem_stride)]
        in_: Own = stem
        for number, (widths, stride) in enumerate(zip(WIDTHS, stage_strides, strict=True), start=1):
            out = Dim(f"stage{number}/width", tuple(dict.fromkeys(map(scaled, widths))))
            layers.append(stage(number, in_, out, stride))
            in_ = out
        super().__init__(*layers, conv_block(in_, FEATURES, 1), *classifier(FEATURES, classes))


@space(
    "mnasnet",
    summary="seven stages: operation, kernel, squeeze-and-excitation, shortcut, width, layers",
    paper="https://arxiv.org/abs/1807.11626",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "cifar": 1},
)
def mnasnet(
    input_shape: tuple[int, int, int], classes: int, *, width: int = 100, cifar: int = 0
) -> Blueprint:
    """`width` is in percent of the published channels, rounded to multiples of 8 unless it is 100; `cifar` 1
    divides images by 8 instead of 32. Raises `UsageError` for images under 32×32, or under 8×8 with `cifar`.
    """
    require_image("mnasnet", input_shape, 8 if cifar else 32)
    return Blueprint(
        lambda: MnasNetwork(input_shape[0], classes, width=width, cifar=bool(cifar)),
        points={"MnasNet-A1": A1, "MnasNet-B1": B1} if width == 100 else {},
    )


def _stage(number: int, op: str, kernel: int, se: float, width: int, layers: int) -> dict[str, Value]:
    values: dict[str, Value] = {"op": op, "kernel": kernel, "se": se, "width": width, "layers": layers}
    if layers > 1:
        values["skip"] = "identity"
    return {f"stage{number}/{part}": value for part, value in values.items()}


A1 = Architecture(
    _stage(1, "sep", 3, 0, 16, 1)
    | _stage(2, "mb6", 3, 0, 24, 2)
    | _stage(3, "mb3", 5, 0.25, 40, 3)
    | _stage(4, "mb6", 3, 0, 80, 4)
    | _stage(5, "mb6", 3, 0.25, 112, 2)
    | _stage(6, "mb6", 5, 0.25, 160, 3)
    | _stage(7, "mb6", 3, 0, 320, 1)
)
"""MnasNet-A1, found with squeeze-and-excitation in the space."""

B1 = Architecture(
    _stage(1, "sep", 3, 0, 16, 1)
    | _stage(2, "mb3", 3, 0, 24, 3)
    | _stage(3, "mb3", 5, 0, 40, 3)
    | _stage(4, "mb6", 5, 0, 80, 3)
    | _stage(5, "mb6", 3, 0, 96, 2)
    | _stage(6, "mb6", 5, 0, 192, 4)
    | _stage(7, "mb6", 3, 0, 320, 1)
)
"""MnasNet-B1, found without."""
