"""The space of Once-for-All (Cai et al. 2020, https://arxiv.org/abs/1908.09791), with MobileNetV3 blocks.

Five stages of 2, 3 or 4 blocks, each block of kernel 3, 5 or 7 and expansion 3, 4 or 6, for images of 128
to 224 pixels in steps of 4: 7,371⁵ ≈ 2·10¹⁹ networks, each at 25 resolutions. They share their weights:
shallower stages are the first blocks, narrower blocks the first channels, smaller kernels the centre of
larger ones, transformed by matrices that each layer learns.
"""

from collections.abc import Mapping, Sequence

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.mbconv import (
    Activation,
    classifier,
    conv_block,
    inverted,
    residual,
    round_channels,
    strides,
)
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.resize import Resize
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, space

STEM, LAST, FEATURES = 16, 960, 1280
WIDTHS = (24, 40, 80, 112, 160)
STRIDES = (2, 2, 2, 1, 2)  # of the first block of a stage
EXCITED = (False, True, False, True, True)  # with squeeze-and-excitation?
ACTIVATIONS: tuple[Activation, ...] = (nn.ReLU, nn.ReLU, nn.Hardswish, nn.Hardswish, nn.Hardswish)
DEPTHS, KERNELS, EXPANSIONS = (2, 3, 4), (3, 5, 7), (3, 4, 6)
SIDES = range(128, 225, 4)
RESOLUTION = "image/resolution"


def block(name: str, in_: int, out: int, stride: int, *, activation: Activation, excited: bool) -> nn.Module:
    """An inverted residual block of elastic kernel and width."""
    expand = Dim(f"{name}/expand", EXPANSIONS)
    middle = derived(lambda ratio: round_channels(in_ * ratio), expand, hidden=True)
    reduced = derived(lambda wide: round_channels(wide // 4), middle, hidden=True)
    body = inverted(
        in_,
        middle,
        out,
        Dim(f"{name}/kernel", KERNELS),
        stride=stride,
        activation=activation,
        excite=SqueezeExcite(middle, reduced, gate=nn.Hardsigmoid) if excited else None,
        kernel_transforms=True,
    )
    return residual(body, in_, out, stride)


def stage(number: int, in_: int, out: int, stride: int) -> Repeat:
    """The `number`-th of five stacks of blocks."""
    name = f"stage{number}"
    return Repeat(
        f"{name}/depth",
        lambda i: block(
            f"{name}/block{i + 1}",
            out if i else in_,
            out,
            1 if i else stride,
            activation=ACTIVATIONS[number - 1],
            excited=EXCITED[number - 1],
        ),
        DEPTHS,
    )


class OnceForAllNetwork(nn.Sequential):
    """Resolution, stem, a block without expansion, five stages, two 1×1 convolutions, classifier."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, sides: Dim, *, width: int, cifar: bool
    ) -> None:
        def scaled(channels: int) -> int:
            return round_channels(channels * width / 100)

        first, stage_strides = strides(2, STRIDES, cifar)
        in_, last, features = scaled(STEM), scaled(LAST), scaled(FEATURES)
        layers: list[nn.Module] = [
            Resize(sides, *input_shape[1:]),
            conv_block(input_shape[0], in_, 3, stride=first, activation=nn.Hardswish),
            residual(inverted(in_, None, in_, 3), in_, in_, 1),
        ]
        for number, out in enumerate(map(scaled, WIDTHS), start=1):
            layers.append(stage(number, in_, out, stage_strides[number - 1]))
            in_ = out
        super().__init__(
            *layers,
            conv_block(in_, last, 1, activation=nn.Hardswish),
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(last, features, 1, bias=False),
            nn.Hardswish(),
            *classifier(features, classes),
        )


@space(
    "once-for-all",
    summary="MobileNetV3 with elastic depth, width, kernels and resolution",
    paper="https://arxiv.org/abs/1908.09791",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "resolution": 16, "cifar": 1},
)
def once_for_all(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: int = 100,
    resolution: int = 224,
    cifar: int = 0,
) -> Blueprint:
    """`width` is in percent of the published channels (the paper also has 120), `resolution` the largest side
    of an image, the others being in the published proportions; `cifar` 1 divides images by 8 instead of 32.
    Raises `UsageError` for images under 8×8 and for a resolution under 56, or 14 with `cifar`.
    """
    require_image("once-for-all", input_shape)
    least = 14 if cifar else 56  # the smallest image is 4/7 of it
    if resolution < least:
        raise UsageError(f"space 'once-for-all' needs a resolution of at least {least}, got {resolution}")
    sides = Dim(RESOLUTION, tuple(dict.fromkeys(round(resolution * side / 224) for side in SIDES)))
    return Blueprint(
        lambda: OnceForAllNetwork(input_shape, classes, sides, width=width, cifar=bool(cifar)),
        notation=lambda arch: repr(to_setting(arch)),
    )


Setting = dict[str, list[int]]
"""The notation of the authors' code: kernel sizes `ks` and expansions `e` of 20 blocks, depths `d` of five
stages, resolution `r`."""


def to_setting(arch: Architecture) -> Setting:
    """An architecture in the notation of the authors; blocks that do not run are written as the smallest."""
    blocks = [f"stage{s}/block{i}" for s in range(1, 6) for i in range(1, max(DEPTHS) + 1)]
    return {
        "ks": [_whole(arch.get(f"{name}/kernel", KERNELS[0])) for name in blocks],
        "e": [_whole(arch.get(f"{name}/expand", EXPANSIONS[0])) for name in blocks],
        "d": [_whole(arch[f"stage{s}/depth"]) for s in range(1, 6)],
        "r": [_whole(arch[RESOLUTION])],
    }


def from_setting(setting: Mapping[str, Sequence[int]]) -> Architecture:
    """The architecture of a setting; what it says of blocks that do not run is ignored.

    Raises `UsageError` naming the key, and the place in its list, that is wrong. Which resolutions there are
    is a matter of the space.
    """
    if not isinstance(setting, Mapping):
        raise UsageError(f"expected a setting, a mapping with 'ks', 'e', 'd' and 'r'; got {setting!r}")
    for key, number in {"ks": 20, "e": 20, "d": 5, "r": 1}.items():
        found = setting.get(key)
        if not isinstance(found, list | tuple) or len(found) != number:
            raise UsageError(f"setting {key!r} is {found!r}; expected a list of {number} numbers")
    values: dict[str, Value] = {RESOLUTION: _checked(setting, "r", 0, None)}
    for s in range(5):
        depth = _checked(setting, "d", s, DEPTHS)
        values[f"stage{s + 1}/depth"] = depth
        for i in range(depth):
            at, name = s * max(DEPTHS) + i, f"stage{s + 1}/block{i + 1}"
            values[f"{name}/kernel"] = _checked(setting, "ks", at, KERNELS)
            values[f"{name}/expand"] = _checked(setting, "e", at, EXPANSIONS)
    return Architecture(values)


def _checked(setting: Mapping[str, Sequence[int]], key: str, at: int, allowed: tuple[int, ...] | None) -> int:
    value = setting[key][at]
    if type(value) is not int or (allowed is not None and value not in allowed):
        options = "whole numbers" if allowed is None else ", ".join(map(str, allowed))
        raise UsageError(f"setting {key!r} has {value!r} at place {at}; allowed: {options}")
    return value


def _whole(value: Value) -> int:
    assert isinstance(value, int)
    return value
