"""A chain-structured space: layers one after the other, each with decisions of its own.

Chains are where the field began (MetaQNN, Baker et al. 2017, https://arxiv.org/abs/1611.02167; the survey of
Elsken et al. 2019, https://arxiv.org/abs/1808.05377, section 2). In MetaQNN a layer is a convolution (64 to
512 filters, kernel 1, 3 or 5), a max pooling or, at the end, fully connected, 18 at most on CIFAR-10. Here
there are more kinds of layers, a choice of activation, BatchNorm, skip connections as in the survey, and
global average pooling in place of the fully connected layers; `channels` 64 gives MetaQNN's numbers of
filters.

A layer keeps the number of channels that comes in unless it has filters of its own, so the width at a layer
depends on the layers before it; a skip connection around a change of width is a 1×1 convolution. Poolings
that halve the image are padded, so that a pixel is always left.
"""

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from nasturtium.modules.activations import ACTIVATIONS
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Computed, Dim, Size
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.elastic.shortcut import ElasticShortcut
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import Zero
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.shortcut import Shortcut
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.spaces.base import require_image, space

KERNELS = (3, 5, 7)
WIDENINGS = (1, 2, 4, 8)  # numbers of filters, as multiples of the stem's
CHOSEN_ACTIVATIONS = ("relu", "relu6", "silu", "mish", "gelu", "hardswish")
FILTERING = ("conv", "separable", "dilated", "projection")
OPERATIONS = (*FILTERING, "max_pool", "avg_pool", "zero", "identity")


class ChainLayer(nn.Sequential):
    """One layer with its decisions `<name>/…`: an operation, perhaps skipped, and a pooling after it."""

    def __init__(self, name: str, in_: Size, channels: int) -> None:
        filters = _filters(name, channels)
        kernel = Dim(f"{name}/kernel", KERNELS)

        def skippable(body: nn.Module) -> nn.Module:
            return Shortcut(f"{name}/skip", body, {"no": None, "yes": nn.Identity})

        def filtering(*convolutions: nn.Module) -> nn.Module:
            """With normalisation and activation; the skip connection may have to change the width."""
            body = nn.Sequential(*convolutions, ElasticBatchNorm2d(filters), _activation(name))
            return Shortcut(f"{name}/skip", body, {"no": None, "yes": lambda: ElasticShortcut(in_, filters)})

        operations: dict[Option, Callable[[], nn.Module]] = {
            "conv": lambda: filtering(ElasticConv2d(in_, filters, kernel, bias=False)),
            "separable": lambda: filtering(
                ElasticConv2d(in_, in_, kernel, depthwise=True, bias=False),
                ElasticConv2d(in_, filters, 1, bias=False),
            ),
            "dilated": lambda: filtering(ElasticConv2d(in_, filters, kernel, dilation=2, bias=False)),
            "projection": lambda: filtering(ElasticConv2d(in_, filters, 1, bias=False)),
            "max_pool": lambda: skippable(_max_pool(1)),
            "avg_pool": lambda: skippable(_avg_pool(1)),
            "zero": lambda: skippable(Zero(1)),
            "identity": nn.Identity,
        }
        poolings: dict[Option, Callable[[], nn.Module]] = {
            "none": nn.Identity,
            "max": lambda: _max_pool(2),
            "avg": lambda: _avg_pool(2),
        }
        super().__init__(
            OneOf(f"{name}/operation", {op: operations[op] for op in OPERATIONS}),
            OneOf(f"{name}/pool", poolings),
        )


def _activation(name: str) -> nn.Module:
    return OneOf(f"{name}/activation", {option: ACTIVATIONS[option] for option in CHOSEN_ACTIVATIONS})


def _max_pool(stride: int) -> nn.Module:
    return nn.MaxPool2d(3, stride, padding=1)


def _avg_pool(stride: int) -> nn.Module:
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


def _filters(layer: str, channels: int) -> Dim:
    return Dim(f"{layer}/filters", tuple(n * channels for n in WIDENINGS))


def _width_after(layers: Sequence[str], channels: int, most: int) -> Size:
    """The channels after those of `layers` that the depth, at `most` so many, lets run."""
    if not layers:
        return channels
    filters = [_filters(layer, channels) for layer in layers]
    reads = [Decision("depth", tuple(range(1, most + 1)), ordered=True)]
    reads += [Decision(f"{layer}/operation", OPERATIONS) for layer in layers]
    reads += [dim.decision for dim in filters]

    def width(values: Mapping[str, Value]) -> int:
        depth = values["depth"]
        assert isinstance(depth, int)
        setting = [layer for layer in layers[:depth] if values[f"{layer}/operation"] in FILTERING]
        found = values[f"{setting[-1]}/filters"] if setting else channels
        assert isinstance(found, int)
        return found

    return Computed(width, tuple(reads), tuple(n * channels for n in WIDENINGS))


class ChainNetwork(nn.Module):
    """Stem, up to `layers` layers, classifier."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, channels: int, layers: int
    ) -> None:
        super().__init__()
        names = [f"layer{i}" for i in range(1, layers + 1)]
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        )
        self.layers = Repeat(
            "depth",
            lambda i: ChainLayer(names[i], _width_after(names[:i], channels, layers), channels),
            range(1, layers + 1),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = ElasticLinear(_width_after(names, channels, layers), classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        return self.classifier(self.pool(self.layers(self.stem(x_BCHW))).flatten(1))


@space(
    "chain",
    summary="up to 12 layers in a row, each with operation, kernel, filters, activation, pooling and skip",
    paper="https://arxiv.org/abs/1808.05377",
    small={"channels": 2, "layers": 3},
)
def chain(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 16, layers: int = 12
) -> Blueprint:
    """`channels` in the stem and as the least number of filters. Raises `UsageError` for images under 8×8."""
    require_image("chain", input_shape)
    return Blueprint(
        lambda: ChainNetwork(input_shape, classes, channels=channels, layers=layers),
        constraints=[_not_cut(f"layer{i}") for i in range(1, layers + 1)],
    )


def _not_cut(layer: str) -> Rule:
    operation, skip = f"{layer}/operation", f"{layer}/skip"
    return Rule(
        f"{layer} is zero, which lets nothing through unless it is skipped",
        frozenset([operation, skip]),
        lambda values: values.get(operation) != "zero" or values.get(skip) == "yes",
    )
