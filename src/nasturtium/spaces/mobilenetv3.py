"""A space around MobileNetV3 (Howard et al. 2019, https://arxiv.org/abs/1905.02244).

The paper searches the kernel, squeeze-and-excitation and depth of each stage as MnasNet does, then the
expansion of each block by NetAdapt, and uses hardswish in the deeper stages. It states no list of options
for the second step, so the expansions offered here are those of its two networks, which are points of this
space (`LARGE`, `SMALL`); where several round to one width, a block has the least of them. The widths of
stages are the published ones. Squeeze-and-excitation reduces to a quarter of the expanded width, has ReLU
inside and a hard sigmoid as its gate.
"""

from typing import NamedTuple

from torch import nn

from nasturtium.modules.blocks.mbconv import (
    classifier,
    conv_block,
    inverted,
    residual,
    round_channels,
    strides,
)
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, Own, derived
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, space

STEM = 16
KERNELS, DEPTHS = (3, 5), (2, 3, 4)


class Frame(NamedTuple):
    """What is fixed: stride and squeeze-and-excitation of the first block (16 channels, no expansion), widths
    and strides of stages, expansions on offer, and the widths of the two last layers.
    """

    stride: int
    excited: bool
    widths: tuple[int, ...]
    strides: tuple[int, ...]
    expansions: tuple[float, ...]
    last: int
    features: int


LARGE_FRAME = Frame(1, False, (24, 40, 80, 112, 160), (2, 2, 2, 1, 2), (2.3, 2.5, 3.0, 4.0, 6.0), 960, 1280)
SMALL_FRAME = Frame(2, True, (24, 40, 48, 96), (2, 2, 1, 2), (3.0, 3.67, 4.0, 4.5, 6.0), 576, 1024)


def excite(channels: Own) -> SqueezeExcite:
    """Squeeze-and-excitation as in this paper."""
    reduced = derived(lambda wide: round_channels(wide / 4), channels, hidden=True)
    return SqueezeExcite(channels, reduced, gate=nn.Hardsigmoid)


def stage(name: str, in_: int, out: int, stride: int, expansions: tuple[float, ...]) -> Repeat:
    """A stack of blocks with one kernel size and activation, each of its own expansion."""

    def activation() -> nn.Module:
        return OneOf(f"{name}/act", {"relu": nn.ReLU, "hardswish": nn.Hardswish})

    def block(i: int) -> nn.Module:
        before, step = (out, 1) if i else (in_, stride)
        expand = Dim(f"{name}/block{i + 1}/expand", _different(expansions, before))
        middle = derived(lambda ratio: round_channels(before * ratio), expand, hidden=True)
        body = inverted(
            before,
            middle,
            out,
            Dim(f"{name}/kernel", KERNELS),
            stride=step,
            activation=activation,
            excite=OneOf(f"{name}/se", {"none": nn.Identity, "se": lambda: excite(middle)}),
        )
        return residual(body, before, out, step)

    return Repeat(f"{name}/depth", block, DEPTHS)


def _different(expansions: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """Those that widen `channels` to different widths."""
    found: dict[int, float] = {}
    for ratio in expansions:
        found.setdefault(round_channels(channels * ratio), ratio)
    return tuple(found.values())


class MobileNetV3(nn.Sequential):
    """Stem, a block without expansion, the stages of a frame, 1×1 convolution, two fully connected layers."""

    def __init__(self, input_channels: int, classes: int, frame: Frame, *, width: int, cifar: bool) -> None:
        def scaled(channels: int) -> int:
            return round_channels(channels * width / 100)

        stem_stride, (first, *stage_strides) = strides(2, (frame.stride, *frame.strides), cifar)
        in_, last = scaled(STEM), scaled(frame.last)
        body = inverted(in_, None, in_, 3, stride=first, excite=excite(in_) if frame.excited else None)
        layers: list[nn.Module] = [
            conv_block(input_channels, in_, 3, stride=stem_stride, activation=nn.Hardswish),
            residual(body, in_, in_, first),
        ]
        for number, (out, stride) in enumerate(zip(map(scaled, frame.widths), stage_strides, strict=True), 1):
            layers.append(stage(f"stage{number}", in_, out, stride, frame.expansions))
            in_ = out
        super().__init__(
            *layers,
            conv_block(in_, last, 1, activation=nn.Hardswish),
            *classifier(last, frame.features),
            nn.Hardswish(),
            nn.Linear(frame.features, classes),
        )


@space(
    "mobilenetv3",
    summary="MobileNetV3: kernel, squeeze-and-excitation, activation, depth, expansions",
    paper="https://arxiv.org/abs/1905.02244",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "small": 1, "cifar": 1},
)
def mobilenetv3(
    input_shape: tuple[int, int, int], classes: int, *, width: int = 100, small: int = 0, cifar: int = 0
) -> Blueprint:
    """`small` 1 takes the frame of MobileNetV3-Small instead of Large; `width` is in percent of the published
    channels; `cifar` 1 divides images by 8 instead of 32. Raises `UsageError` for images under 32×32, or
    under 8×8 with `cifar`.
    """
    require_image("mobilenetv3", input_shape, 8 if cifar else 32)
    frame = SMALL_FRAME if small else LARGE_FRAME
    published = {"MobileNetV3-Small": SMALL} if small else {"MobileNetV3-Large": LARGE}
    return Blueprint(
        lambda: MobileNetV3(input_shape[0], classes, frame, width=width, cifar=bool(cifar)),
        points=published if width == 100 else {},
    )


def _stage(number: int, kernel: int, se: str, act: str, *expansions: float) -> dict[str, Value]:
    name = f"stage{number}"
    values: dict[str, Value] = {f"{name}/depth": len(expansions), f"{name}/kernel": kernel}
    values |= {f"{name}/block{i}/expand": ratio for i, ratio in enumerate(expansions, start=1)}
    return values | {f"{name}/se": se, f"{name}/act": act}


LARGE = Architecture(
    _stage(1, 3, "none", "relu", 4.0, 3.0)
    | _stage(2, 5, "se", "relu", 3.0, 3.0, 3.0)
    | _stage(3, 3, "none", "hardswish", 6.0, 2.5, 2.3, 2.3)
    | _stage(4, 3, "se", "hardswish", 6.0, 6.0)
    | _stage(5, 5, "se", "hardswish", 6.0, 6.0, 6.0)
)
"""MobileNetV3-Large."""

SMALL = Architecture(
    _stage(1, 3, "none", "relu", 4.5, 3.67)
    | _stage(2, 5, "se", "hardswish", 4.0, 6.0, 6.0)
    | _stage(3, 5, "se", "hardswish", 3.0, 3.0)
    | _stage(4, 5, "se", "hardswish", 6.0, 6.0, 6.0)
)
"""MobileNetV3-Small, of the space with `small=1`."""
