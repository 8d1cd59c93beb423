"""Vision transformers in the sizes that people have built and searched, as one space.

Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; its smaller networks DeiT-Tiny, -Small and -Base
(Touvron et al. 2021, https://arxiv.org/abs/2012.12877) are points: 192, 384 or 768 wide, 12 deep, 3, 6 or 12
heads in each layer and MLPs four times as wide. The ranges are those of AutoFormer's three spaces (see
`nasturtium.spaces.autoformer`), which share this network, with DeiT-Base added. Dropout and stochastic depth
are left to training; images that patches do not divide are padded with zeros below and to the right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.attention import DotProduct, RelativeDotProduct
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.attention import Attention
from nasturtium.modules.elastic.layer_norm import ElasticLayerNorm
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.tokens import ElasticPatches, ElasticVectors, Positions, Prefix
from nasturtium.modules.repeat import Repeat
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import require_image, space

HEAD = 64  # published width of a head; widths scale with it


@dataclass(frozen=True)
class Ranges:
    """What can be chosen: width and depth for the whole network, heads and MLP ratio for each layer.

    Queries, keys and values are `head` times the number of heads wide. `relative` positions are those of
    AutoFormer; `pooled` averages over the patches instead of reading the class token.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    ratios: tuple[float, ...]
    head: int = HEAD
    relative: bool = False
    pooled: bool = False
    eps: float = 1e-6


class EncoderBlock(nn.Module):
    """Attention and an MLP, each after a LayerNorm and beside a shortcut."""

    def __init__(self, name: str, width: Dim, ranges: Ranges, grid: tuple[int, int]) -> None:
        super().__init__()
        heads, ratio = Dim(f"{name}/heads", ranges.heads), Dim(f"{name}/ratio", ranges.ratios)
        inside = derived(lambda w, r: int(w * r), width, ratio, hidden=True)
        score = RelativeDotProduct(grid, ranges.head) if ranges.relative else DotProduct()
        self.norm1 = ElasticLayerNorm(width, eps=ranges.eps)
        self.attention = Attention(width, heads, head_width=ranges.head, score=score)
        self.norm2 = ElasticLayerNorm(width, eps=ranges.eps)
        self.mlp = nn.Sequential(ElasticLinear(width, inside), nn.GELU(), ElasticLinear(inside, width))

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        x = x_BLC + self.attention(self.norm1(x_BLC))
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """Patches, a class token, learned positions, a stack of blocks, a classifier."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int, patch: int, ranges: Ranges) -> None:
        super().__init__()
        channels, height, across = input_shape
        grid = -(-height // patch), -(-across // patch)
        widths = dict.fromkeys(
            w * ranges.head // HEAD for w in ranges.widths
        )  # small heads make some the same
        width = Dim("network/width", tuple(widths))
        self.pad = _up_to_whole(patch, height, across)
        self.patches = ElasticPatches(channels, width, patch)
        self.class_token = ElasticVectors(Prefix, 1, width)
        self.positions = ElasticVectors(Positions, grid[0] * grid[1] + 1, width)
        self.blocks = Repeat(
            "network/depth", lambda i: EncoderBlock(f"layer{i + 1}", width, ranges, grid), ranges.depths
        )
        self.norm = ElasticLayerNorm(width, eps=ranges.eps)
        self.classifier = ElasticLinear(width, classes)
        self.pooled = ranges.pooled
        _start(self)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        x_BLC = self.patches(self.pad(x_BCHW)).flatten(2).transpose(1, 2)
        x_BLC = self.norm(self.blocks(self.positions(self.class_token(x_BLC))))
        x_BC = x_BLC[:, 1:].mean(1) if self.pooled else x_BLC[:, 0]
        return self.classifier(x_BC)


def _up_to_whole(patch: int, height: int, across: int) -> nn.Module:
    """Padding to whole patches."""
    if height % patch == across % patch == 0:
        return nn.Identity()
    return nn.ZeroPad2d((0, -across % patch, 0, -height % patch))


def _start(net: nn.Module) -> None:
    """The published first weights of fully connected layers."""
    for layer in net.modules():
        if isinstance(layer, ElasticLinear):
            nn.init.trunc_normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)


def transformer_blueprint(
    name: str,
    input_shape: tuple[int, int, int],
    classes: int,
    patch: int,
    ranges: Ranges,
    points: Mapping[str, Sequence[int | float]],
) -> Blueprint:
    """The blueprint of the space `name` with `points` as lists; raises `UsageError` for images smaller than a
    patch.
    """
    require_image(name, input_shape, patch)
    return Blueprint(
        lambda: VisionTransformer(input_shape, classes, patch, ranges),
        notation=lambda arch: str(to_list(arch)),
        points={point: from_list(numbers) for point, numbers in points.items()},
    )


def consecutive(first: int, number: int) -> tuple[int, ...]:
    """`number` depths from `first` on."""
    return tuple(range(first, first + number))


WIDTHS = (192, 216, 240, 320, 384, 448, 528, 576, 624, 768)
HEADS = (3, 4, 5, 6, 7, 8, 9, 10, 12)
RATIOS = (3.0, 3.5, 4.0)
DEIT = {
    name: [12, *[4.0] * 12, *[heads] * 12, width]
    for name, heads, width in (("DeiT-Tiny", 3, 192), ("DeiT-Small", 6, 384), ("DeiT-Base", 12, 768))
}


@space(
    "vit",
    summary="vision transformers from DeiT-Tiny to DeiT-Base: width, depth, heads and MLP ratio per layer",
    paper="https://arxiv.org/abs/2012.12877",
    shape=(3, 224, 224),
    classes=1000,
    small={"patch": 4, "layers": 1, "head": 4},
)
def vit(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    patch: int = 16,
    layers: int = 12,
    head: int = HEAD,
    relative: int = 0,
) -> Blueprint:
    """Networks of `layers` to `layers` + 4 blocks on patches of `patch`×`patch` pixels.

    `head` is the width of one head, and scales all widths; `relative` 1 adds AutoFormer's relative positions.
    Raises `UsageError` for images smaller than a patch.
    """
    ranges = Ranges(WIDTHS, consecutive(layers, 5), HEADS, RATIOS, head, relative=bool(relative))
    points = DEIT if (patch, layers, head, relative) == (16, 12, HEAD, 0) else {}
    return transformer_blueprint("vit", input_shape, classes, patch, ranges, points)


def to_list(arch: Architecture) -> list[int | float]:
    """An architecture as AutoFormer's search writes it: depth, ratio of each layer, heads of each, width."""
    depth = arch["network/depth"]
    assert isinstance(depth, int)
    layers = [f"layer{i + 1}" for i in range(depth)]
    listed = [depth, *(arch[f"{x}/ratio"] for x in layers), *(arch[f"{x}/heads"] for x in layers)]
    return [x for x in (*listed, arch["network/width"]) if isinstance(x, int | float)]


def from_list(numbers: Sequence[int | float]) -> Architecture:
    """The architecture of a list `[depth, ratio, …, heads, …, width]`.

    Raises `UsageError` naming the entry for what is no number, and for a length that the depth does not give.
    """
    if not isinstance(numbers, list | tuple) or not numbers:
        raise UsageError(f"expected a list [depth, ratio, …, heads, …, width], got {numbers!r}")
    depth = numbers[0]
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise UsageError(f"the list starts with {depth!r}; expected the depth, a whole number from 1 on")
    if len(numbers) != 2 * depth + 2:
        raise UsageError(
            f"the list has {len(numbers)} entries; with depth {depth} it needs {2 * depth + 2}: the depth,"
            f" {depth} MLP ratios, {depth} numbers of heads, the width"
        )
    values: dict[str, int | float] = {"network/width": _entry(numbers, -1, int), "network/depth": depth}
    for i in range(depth):
        values[f"layer{i + 1}/heads"] = _entry(numbers, 1 + depth + i, int)
        values[f"layer{i + 1}/ratio"] = _entry(numbers, 1 + i, float)
    return Architecture(values)


def _entry(numbers: Sequence[int | float], at: int, kind: type[int] | type[float]) -> int | float:
    number = numbers[at]
    if isinstance(number, bool) or not isinstance(number, int if kind is int else int | float):
        place = f"entry {at % len(numbers)}"
        raise UsageError(f"{place} of the list is {number!r}; expected a{' whole' * (kind is int)} number")
    return kind(number)
