"""The NAS-Bench-Macro space (Su et al. 2021, https://arxiv.org/abs/2103.11922).

Eight layers in three stages, each the identity, a MobileNetV2 block of kernel 3 and expansion 3, or one of
kernel 5 and expansion 6: 6,561 networks for CIFAR-10. The first layer of a stage halves the image and doubles
the channels, and its identity is a 1×1 convolution. Identities elsewhere in a stage may change places without
a difference, so 3,969 of the networks are different; canonical forms tell them apart.
"""

from torch import nn

from nasturtium.modules.blocks.mbconv import classifier, conv_block, inverted, residual
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import require_image, require_text, space
from nasturtium.tables.nasbench_macro import LAYERS, row_of, to_graphs, to_string

FEATURES = 1280


def layer(name: str, in_: int, out: int, stride: int) -> OneOf:
    """The choice between the three blocks."""

    def block(expansion: int, kernel: int) -> nn.Module:
        return residual(inverted(in_, expansion * in_, out, kernel, stride=stride), in_, out, stride)

    def identity() -> nn.Module:
        if stride == 1:
            return nn.Identity()
        return nn.Sequential(nn.Conv2d(in_, out, 1, stride, bias=False), batch_norm(out))

    return OneOf(name, {"identity": identity, "mb3_k3": lambda: block(3, 3), "mb6_k5": lambda: block(6, 5)})


class MacroNetwork(nn.Sequential):
    """Stem, eight layers, 1×1 convolution, classifier."""

    def __init__(self, input_channels: int, classes: int, channels: int) -> None:
        layers: list[nn.Module] = []
        width = channels
        for name in LAYERS:
            first = name.endswith("/layer1")
            out = 2 * width if first else width
            layers.append(layer(name, width, out, 2 if first else 1))
            width = out
        super().__init__(
            conv_block(input_channels, channels, 3),
            *layers,
            conv_block(width, FEATURES, 1),
            *classifier(FEATURES, classes),
        )


@space(
    "nasbench-macro",
    summary="8 layers of 3 blocks, 6,561 networks",
    paper="https://arxiv.org/abs/2103.11922",
    small={"channels": 4},
)
def nasbench_macro(input_shape: tuple[int, int, int], classes: int, *, channels: int = 32) -> Blueprint:
    """The published size is 32 channels. Raises `UsageError` for images under 8×8."""
    require_image("nasbench-macro", input_shape)
    return Blueprint(
        lambda: MacroNetwork(input_shape[0], classes, channels), notation=to_string, graphs=to_graphs
    )


def from_string(text: str) -> Architecture:
    """The architecture of eight digits 0, 1, 2; raises `UsageError` naming the layer that is wrong."""
    return Architecture(dict(zip(LAYERS, row_of(require_text(text, "01210121")), strict=True)))
