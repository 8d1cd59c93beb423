"""The ProxylessNAS space (Cai et al. 2019, https://arxiv.org/abs/1812.00332).

21 inverted residual blocks in six stages, each of kernel 3, 5 or 7 and expansion 3 or 6; blocks that keep the
shape may also be left out, which is how depth is searched. The paper's own code starts with a stage of
24 channels; here it has 32, as in the network that the paper found for phones (`MOBILE`). The networks found
for other devices have other widths and are no points of this space.
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
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Option
from nasturtium.spaces.base import require_image, space

STEM, FIRST, FEATURES = 32, 16, 1280
WIDTHS = (32, 40, 80, 96, 192, 320)
BLOCKS = (4, 4, 4, 4, 4, 1)  # in each stage
STRIDES = (2, 2, 2, 1, 2, 1)  # of the first block of a stage


def block(name: str, in_: int, out: int, stride: int) -> OneOf:
    """The choice between six blocks, and of none where the shape stays."""

    def make(kernel: int, expansion: int) -> Callable[[], nn.Module]:
        return lambda: residual(
            inverted(in_, expansion * in_, out, kernel, stride=stride, activation=nn.ReLU6), in_, out, stride
        )

    candidates: dict[Option, Callable[[], nn.Module]] = {
        f"mb{expansion}_k{kernel}": make(kernel, expansion) for kernel in (3, 5, 7) for expansion in (3, 6)
    }
    if stride == 1 and in_ == out:
        candidates["skip"] = nn.Identity
    return OneOf(name, candidates)


class ProxylessNetwork(nn.Sequential):
    """Stem, a block without expansion, six stages, 1×1 convolution, classifier."""

    def __init__(self, input_channels: int, classes: int, *, width: int, cifar: bool) -> None:
        def scaled(channels: int) -> int:
            return round_channels(channels * width / 100)

        stem_stride, stage_strides = strides(2, STRIDES, cifar)
        stem, first = scaled(STEM), scaled(FIRST)
        features = scaled(FEATURES) if width > 100 else FEATURES
        layers: list[nn.Module] = [
            conv_block(input_channels, stem, 3, stride=stem_stride, activation=nn.ReLU6),
            inverted(stem, None, first, 3, activation=nn.ReLU6),
        ]
        in_ = first
        for stage, channels in enumerate(map(scaled, WIDTHS)):
            for i in range(BLOCKS[stage]):
                stride = stage_strides[stage] if i == 0 else 1
                layers.append(block(f"stage{stage + 1}/block{i + 1}", in_, channels, stride))
                in_ = channels
        super().__init__(
            *layers, conv_block(in_, features, 1, activation=nn.ReLU6), *classifier(features, classes)
        )


@space(
    "proxylessnas",
    summary="21 inverted residual blocks, kernel 3–7, expansion 3 or 6, or left out",
    paper="https://arxiv.org/abs/1812.00332",
    shape=(3, 224, 224),
    classes=1000,
    small={"width": 25, "cifar": 1},
)
def proxylessnas(
    input_shape: tuple[int, int, int], classes: int, *, width: int = 100, cifar: int = 0
) -> Blueprint:
    """`width` is in percent of the published channels; `cifar` 1 divides images by 8 instead of 32. Raises
    `UsageError` for images under 32×32, or under 8×8 with `cifar`.
    """
    require_image("proxylessnas", input_shape, 8 if cifar else 32)
    return Blueprint(
        lambda: ProxylessNetwork(input_shape[0], classes, width=width, cifar=bool(cifar)),
        points={"ProxylessNAS-Mobile": MOBILE},
    )


def _stage(number: int, *blocks: str) -> dict[str, str]:
    return {f"stage{number}/block{i}": name for i, name in enumerate(blocks, start=1)}


MOBILE = Architecture(
    _stage(1, "mb3_k5", "mb3_k3", "skip", "skip")
    | _stage(2, "mb3_k7", "mb3_k3", "mb3_k5", "mb3_k5")
    | _stage(3, "mb6_k7", "mb3_k5", "mb3_k5", "mb3_k5")
    | _stage(4, "mb6_k5", "mb3_k5", "mb3_k5", "mb3_k5")
    | _stage(5, "mb6_k7", "mb6_k7", "mb3_k7", "mb3_k7")
    | _stage(6, "mb6_k7")
)
"""ProxylessNAS-Mobile, the network that the paper found for a phone."""
