"""The FBNet space (Wu et al. 2019, https://arxiv.org/abs/1812.03443).

22 layers in seven stages with nine blocks each, 9²² networks: kernel 3 or 5 with expansion 1, 3 or 6,
expansion 1 also with 1×1 convolutions in two groups and a channel shuffle after the first, and `skip`. Where
a layer changes the shape, `skip` is a 1×1 convolution; the paper does not say, the authors' code does.

The last 1×1 convolution has 1,984 channels as in FBNet-C.
"""

from collections.abc import Callable

from torch import nn

from nasturtium.modules.blocks.mbconv import (
    classifier,
    conv_block,
    inverted,
    residual,
    round_channels,
    strides,
)
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Option
from nasturtium.spaces.base import require_image, space
from nasturtium.tables.fbnet import LAYERS, STEM, STRIDES, WIDTHS


def grouped(in_: int, out: int, kernel: int, stride: int) -> nn.Sequential:
    """An inverted residual block of expansion 1 whose 1×1 convolutions have two groups."""
    return nn.Sequential(
        nn.Conv2d(in_, in_, 1, groups=2, bias=False),
        batch_norm(in_),
        nn.ReLU(),
        nn.ChannelShuffle(2),
        nn.Conv2d(in_, in_, kernel, stride, kernel // 2, groups=in_, bias=False),
        batch_norm(in_),
        nn.ReLU(),
        nn.Conv2d(in_, out, 1, groups=2, bias=False),
        batch_norm(out),
    )


def layer(name: str, in_: int, out: int, stride: int) -> OneOf:
    """The choice between the nine blocks."""

    def skip() -> nn.Module:
        if stride == 1 and in_ == out:
            return nn.Identity()
        return nn.Sequential(nn.Conv2d(in_, out, 1, stride, bias=False), batch_norm(out), nn.ReLU())

    def plain(kernel: int, expansion: int) -> Callable[[], nn.Module]:
        return lambda: residual(inverted(in_, expansion * in_, out, kernel, stride=stride), in_, out, stride)

    def in_groups(kernel: int) -> Callable[[], nn.Module]:
        return lambda: residual(grouped(in_, out, kernel, stride), in_, out, stride)

    candidates: dict[Option, Callable[[], nn.Module]] = {}
    for kernel in (3, 5):
        candidates[f"k{kernel}_e1"] = plain(kernel, 1)
        candidates[f"k{kernel}_e1_g2"] = in_groups(kernel)
        candidates[f"k{kernel}_e3"] = plain(kernel, 3)
        candidates[f"k{kernel}_e6"] = plain(kernel, 6)
    candidates["skip"] = skip
    return OneOf(name, candidates)


class FBNetwork(nn.Sequential):
    """Stem, seven stages, 1×1 convolution, classifier."""

    def __init__(self, input_channels: int, classes: int, *, width: int, features: int, cifar: bool) -> None:
        def scaled(channels: int) -> int:
            return round_channels(channels * width / 100)

        stem_stride, stage_strides = strides(2, STRIDES, cifar)
        in_ = scaled(STEM)
        layers: list[nn.Module] = [conv_block(input_channels, in_, 3, stride=stem_stride)]
        for stage, channels in enumerate(map(scaled, WIDTHS)):
            for i in range(LAYERS[stage]):
                stride = stage_strides[stage] if i == 0 else 1
                layers.append(layer(f"stage{stage + 1}/layer{i + 1}", in_, channels, stride))
                in_ = channels
        super().__init__(*layers, conv_block(in_, features, 1), *classifier(features, classes))


@space(
    "fbnet",
    summary="22 layers of nine blocks: kernel 3 or 5, expansion 1–6, groups, skip",
    paper="https://arxiv.org/abs/1812.03443",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "features": 64, "cifar": 1},
)
def fbnet(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    width: int = 100,
    features: int = 1984,
    cifar: int = 0,
) -> Blueprint:
    """`width` is in percent of the published channels, `features` those of the last convolution; `cifar` 1
    divides images by 8 instead of 32. Raises `UsageError` for images under 32×32, or under 8×8 with `cifar`.
    """
    require_image("fbnet", input_shape, 8 if cifar else 32)
    return Blueprint(
        lambda: FBNetwork(input_shape[0], classes, width=width, features=features, cifar=bool(cifar)),
        points={"FBNet-C": FBNET_C},
    )


def _stage(number: int, *blocks: str) -> dict[str, str]:
    return {f"stage{number}/layer{i}": name for i, name in enumerate(blocks, start=1)}


FBNET_C = Architecture(
    _stage(1, "k3_e1")
    | _stage(2, "k3_e6", "skip", "k3_e1", "k3_e1")
    | _stage(3, "k5_e6", "k5_e3", "k5_e6", "k3_e6")
    | _stage(4, "k5_e6", "k5_e3", "k5_e6", "k5_e6")
    | _stage(5, "k5_e6", "k5_e6", "k5_e6", "k5_e3")
    | _stage(6, "k5_e6", "k5_e6", "k5_e6", "k5_e6")
    | _stage(7, "k3_e6")
)
"""FBNet-C, the most accurate network of the paper. Which of stage 2's layers is left out makes no difference
among those that keep the shape."""
