"""The scaled networks of EfficientNet (Tan & Le 2019, https://arxiv.org/abs/1905.11946).

The network is fixed (EfficientNet-B0) and its scale is searched: a multiplier of the number of blocks, one of
the number of channels, and the resolution of the image. Compound scaling makes them α^φ, β^φ and γ^φ for one
φ, with α = 1.2, β = 1.1 and γ = 1.15, so that each step of φ multiplies the FLOPs by α·β²·γ² = 1.92 ≈ 2. The
published B0 to B7 obey this only approximately, because their multipliers are rounded: the three φ that
depth, width and resolution stand for differ most in B7, by 1.07. The rule here allows 1.1. The multipliers
on offer are the published ones; those of depth in B1 and B2 (1.1 and 1.2) lead to the same numbers of blocks.
"""

import math
from collections.abc import Mapping

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.mbconv import conv_block, inverted, residual, round_channels, strides
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, Own, derived
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.resize import Resize
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, space

ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15  # growth of depth, width and resolution with each step of φ
TOLERANCE = 1.1  # by which the φ of depth, width and resolution may differ
DEPTH, WIDTH, RESOLUTION = "scale/depth", "scale/width", "scale/resolution"
# depth, width and resolution of B0 to B7
PUBLISHED = (
    (1.0, 1.0, 224),
    (1.1, 1.0, 240),
    (1.2, 1.1, 260),
    (1.4, 1.2, 300),
    (1.8, 1.4, 380),
    (2.2, 1.6, 456),
    (2.6, 1.8, 528),
    (3.1, 2.0, 600),
)
STEM, FEATURES = 32, 1280
# expansion, kernel, channels, number of blocks, stride of the first
STAGES = (
    (1, 3, 16, 1, 1),
    (6, 3, 24, 2, 2),
    (6, 5, 40, 2, 2),
    (6, 3, 80, 3, 2),
    (6, 5, 112, 3, 1),
    (6, 5, 192, 4, 2),
    (6, 3, 320, 1, 1),
)


def block(in_: Own, out: Own, kernel: int, expansion: int, stride: int) -> nn.Module:
    """An inverted residual block with squeeze-and-excitation to a quarter of its input's channels."""
    wide = in_ if expansion == 1 else derived(lambda channels: expansion * channels, in_, hidden=True)
    excite = SqueezeExcite(
        wide, derived(lambda channels: channels // 4, in_, hidden=True), activation=nn.SiLU
    )
    middle = None if expansion == 1 else wide
    body = inverted(in_, middle, out, kernel, stride=stride, activation=nn.SiLU, excite=excite)
    return residual(body, in_, out, stride)


def stage(in_: Own, out: Own, kernel: int, expansion: int, blocks: Own, stride: int) -> Repeat:
    """A stack of blocks, the first with the stride."""
    return Repeat(blocks, lambda i: block(out if i else in_, out, kernel, expansion, 1 if i else stride))


class EfficientNetwork(nn.Sequential):
    """Resolution, stem, seven stages, 1×1 convolution, classifier.

    `scales` are the multiplier of blocks, that of channels, and the resolution.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        scales: tuple[Dim, Dim, Dim],
        *,
        width: int,
        cifar: bool,
    ) -> None:
        by_depth, by_width, resolution = scales

        def channels(number: int) -> Own:
            return derived(lambda scale: round_channels(number * scale * width / 100), by_width)

        def blocks(number: int) -> Own:
            return derived(lambda scale: math.ceil(number * scale), by_depth)

        first, stage_strides = strides(2, tuple(stride for *_, stride in STAGES), cifar)
        in_ = channels(STEM)
        layers: list[nn.Module] = [
            Resize(resolution, *input_shape[1:]),
            conv_block(input_shape[0], in_, 3, stride=first, activation=nn.SiLU),
        ]
        for (expansion, kernel, wide, number, _), stride in zip(STAGES, stage_strides, strict=True):
            out = channels(wide)
            layers.append(stage(in_, out, kernel, expansion, blocks(number), stride))
            in_ = out
        features = channels(FEATURES)
        layers += [conv_block(in_, features, 1, activation=nn.SiLU), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(*layers, ElasticLinear(features, classes))


@space(
    "efficientnet",
    summary="depth, width and resolution of EfficientNet, scaled together",
    paper="https://arxiv.org/abs/1905.11946",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "resolution": 16, "largest": 2, "cifar": 1},
)
def efficientnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: int = 100,
    resolution: int = 224,
    largest: int = 7,
    cifar: int = 0,
) -> Blueprint:
    """`width` is the channels of B0 in percent of the published, `resolution` the side that it brings images
    to, `largest` the last of B1 to B7 whose multipliers may be chosen; `cifar` 1 divides images by 8 instead
    of 32. Raises `UsageError` for images under 8×8, a resolution under 32 (8 with `cifar`), and a `largest`
    over 7.
    """
    require_image("efficientnet", input_shape)
    least = 8 if cifar else 32
    if resolution < least:
        raise UsageError(f"space 'efficientnet' needs a resolution of at least {least}, got {resolution}")
    if largest >= len(PUBLISHED):
        raise UsageError(f"space 'efficientnet' goes up to B{len(PUBLISHED) - 1}, got largest={largest}")
    depths, widths, sides = zip(*PUBLISHED[: largest + 1], strict=True)
    scales = (
        Dim(DEPTH, depths),
        Dim(WIDTH, tuple(dict.fromkeys(widths))),
        Dim(RESOLUTION, tuple(dict.fromkeys(_scaled(side, resolution) for side in sides))),
    )
    return Blueprint(
        lambda: EfficientNetwork(input_shape, classes, scales, width=width, cifar=bool(cifar)),
        constraints=[compound(resolution)],
        points={f"EfficientNet-B{n}": published(n, resolution) for n in range(largest + 1)},
    )


def compound(resolution: int) -> Rule:
    """The rule that depth, width and resolution belong together, where scale 1 has this resolution."""

    def agree(values: Mapping[str, Value]) -> bool:
        depth, width, side = (float(str(values[name])) for name in names)
        steps = (
            math.log(depth, ALPHA),
            math.log(width, BETA),
            math.log(side / resolution, GAMMA),
        )
        return max(steps) - min(steps) <= TOLERANCE

    names = (DEPTH, WIDTH, RESOLUTION)
    return Rule(
        f"compound scaling: depth {ALPHA}^φ, width {BETA}^φ and resolution {resolution}·{GAMMA}^φ must come"
        f" from one φ, within {TOLERANCE}",
        frozenset(names),
        agree,
    )


def published(number: int, resolution: int = PUBLISHED[0][2]) -> Architecture:
    """EfficientNet-B0 to B7, where B0 has `resolution`; raises `UsageError` for another number."""
    if type(number) is not int or number not in range(len(PUBLISHED)):
        raise UsageError(f"EfficientNet-B{number} is unknown; there are B0 to B{len(PUBLISHED) - 1}")
    depth, width, side = PUBLISHED[number]
    return Architecture({DEPTH: depth, WIDTH: width, RESOLUTION: _scaled(side, resolution)})


def _scaled(side: int, resolution: int) -> int:
    """A published resolution where that of B0 is `resolution`."""
    return round(side * resolution / PUBLISHED[0][2])
