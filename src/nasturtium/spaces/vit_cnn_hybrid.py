"""Convolutions or attention in each layer, and where to halve the image: after HyTra, the space of BossNAS
(Li et al. 2021, https://arxiv.org/abs/2103.12424).

From the paper and the authors' code: a stem that divides the image by four, and 16 layers, each at one of
four strides with a width for each, at most halving the image. A layer is a residual bottleneck around a 3×3
convolution or, at strides 16 and 32 only, around attention with heads 64 wide; both read positions by a
depthwise convolution, which also does the halving. The strides are limited along the depth: in its second
quarter at least 8, from its third at least 16.

Not as there: the first layer may halve once, while theirs may start at any of the four strides; their
supernet is four parts that are trained apart, while here it is one network. Strides that are missing at the
end are made up for by plain strided convolutions, as in the authors' networks for retraining. The blocks are
those of their search; for retraining they also pool in shortcuts and may use SiLU and squeeze-and-excitation.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.attention import DotProduct
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.switch import Switch
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.spaces.base import require_image, space

STRIDES = (4, 8, 16, 32)
ATTENTION = (16, 32)  # the strides at which attention is affordable
LEAST = (4, 8, 16, 16)  # stride in each quarter of the depth
BLOCKS = ("attention", "conv")  # the authors' 0 and 1


class ImageAttention(nn.Module):
    """Attention between all places of an image of `grid` size, with `heads` heads, without a projection."""

    def __init__(self, channels: int, heads: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.heads, self.grid = heads, grid
        self.query, self.key, self.value = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(3))
        self.score = DotProduct()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input."""
        q, k, v = (
            layer(x_BCHW).flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3)
            for layer in (self.query, self.key, self.value)
        )
        return self.score(q, k, v).transpose(2, 3).flatten(1, 2).unflatten(2, self.grid)


class Bottleneck(nn.Module):
    """A residual block that computes `middle(C/4)` on a quarter of its `out` channels."""

    def __init__(self, in_: int, out: int, *, halves: bool, middle: Callable[[int], nn.Module]) -> None:
        super().__init__()
        inside, stride = out // 4, 2 if halves else 1
        self.shortcut = nn.Identity() if in_ == out else _widening(in_, out, halves=halves)
        self.body = nn.Sequential(
            nn.Conv2d(in_, inside, 1, bias=False),
            nn.Conv2d(inside, inside, 3, stride, padding=1, groups=inside),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            middle(inside),
            nn.BatchNorm2d(inside),
            nn.ReLU(),
            nn.Conv2d(inside, out, 1, bias=False),
            last := nn.BatchNorm2d(out),
        )
        nn.init.zeros_(last.weight)  # a layer starts as its shortcut
        self.activation = nn.ReLU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×H'×W'."""
        return self.activation(self.body(x_BCHW) + self.shortcut(x_BCHW))


def _widening(in_: int, out: int, *, halves: bool) -> nn.Module:
    conv = nn.Conv2d(in_, out, 3, 2, 1, bias=False) if halves else nn.Conv2d(in_, out, 1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU())


class HybridNetwork(nn.Module):
    """Stem, layers, what strides are missing, classifier."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, channels: int, layers: int
    ) -> None:
        super().__init__()
        self.channels = channels
        self.size = input_shape[1:]
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], channels, 7, 2, 3, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        strides = [_strides(i, layers) for i in range(layers)]
        self.layers = nn.Sequential(*(self._layer(i, strides) for i in range(layers)))
        ends: dict[tuple[Option, ...], Callable[[], nn.Module]] = {
            (stride,): partial(self._end, int(stride)) for stride in strides[-1].options
        }
        self.end = Switch(strides[-1:], ends)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(self._width(STRIDES[-1]), classes)

    def _width(self, stride: int) -> int:
        return self.channels * stride

    def _layer(self, i: int, strides: Sequence[Decision]) -> nn.Module:
        """One candidate for each stride that this layer may have and the one before it may leave."""
        if i == 0:
            return Switch(strides[:1], {(t,): partial(self._block, 0, 4, int(t)) for t in strides[0].options})
        before, now = strides[i - 1], strides[i]
        return Switch(
            (before, now),
            {
                (s, t): partial(self._block, i, int(s), int(t))
                for s, t in itertools.product(before.options, now.options)
                if t in (s, 2 * int(s))
            },
        )

    def _block(self, i: int, before: int, now: int) -> nn.Module:
        in_ = self.channels if i == 0 else self._width(before)
        height, across = (-(-n // now) for n in self.size)

        def made(middle: Callable[[int], nn.Module]) -> nn.Module:
            return Bottleneck(in_, self._width(now), halves=now > before, middle=middle)

        def conv(inside: int) -> nn.Module:
            return nn.Conv2d(inside, inside, 3, padding=1, bias=False)

        def attention(inside: int) -> nn.Module:
            return ImageAttention(inside, inside // self.channels, (height, across))

        if now not in ATTENTION:
            return made(conv)
        return OneOf(
            f"layer{i + 1}/block", {"attention": lambda: made(attention), "conv": lambda: made(conv)}
        )

    def _end(self, stride: int) -> nn.Module:
        missing = [t for t in STRIDES if t > stride]
        return nn.Sequential(*(_widening(self._width(t // 2), self._width(t), halves=True) for t in missing))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        x = self.end(self.layers(self.stem(x_BCHW)))
        return self.classifier(self.pool(x).flatten(1))


def _strides(i: int, layers: int) -> Decision:
    """The strides that layer `i` may have: what its quarter allows and halving once a layer reaches."""
    least, most = LEAST[4 * i // layers], 8 * 2**i
    return Decision(f"layer{i + 1}/stride", tuple(s for s in STRIDES if least <= s <= most), ordered=True)


def _keeps_or_halves(i: int) -> Rule:
    before, now = f"layer{i}/stride", f"layer{i + 1}/stride"

    def holds(values: Mapping[str, Value]) -> bool:
        first, second = values[before], values[now]
        assert isinstance(first, int)
        return second in (first, 2 * first)

    return Rule(
        "a layer keeps the stride of the one before it or doubles it", frozenset([before, now]), holds
    )


@space(
    "vit-cnn-hybrid",
    summary="a bottleneck of convolutions or of attention in each layer, and where to halve the image",
    paper="https://arxiv.org/abs/2103.12424",
    shape=(3, 224, 224),
    classes=1000,
    small_shape=(3, 32, 32),
    small={"channels": 4, "layers": 4},
)
def vit_cnn_hybrid(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 64, layers: int = 16
) -> Blueprint:
    """The published sizes are 16 layers and 64 `channels` after the stem, which are also those of a head.

    Raises `UsageError` for images under 32×32, or layers that are no multiple of four.
    """
    require_image("vit-cnn-hybrid", input_shape, 32)
    if layers % 4:
        raise UsageError(f"space 'vit-cnn-hybrid': 'layers' must be a multiple of 4, got {layers}")
    return Blueprint(
        lambda: HybridNetwork(input_shape, classes, channels=channels, layers=layers),
        constraints=[_keeps_or_halves(i) for i in range(1, layers)],
        notation=lambda arch: str(to_encoding(arch)),
        points={"BossNet-T0": from_encoding(BOSSNET_T0)} if layers == 16 else {},
    )


def to_encoding(arch: Architecture) -> list[list[int]]:
    """The authors' notation: for each of the four strides its layers, 0 attention and 1 convolution."""
    found: list[list[int]] = [[] for _ in STRIDES]
    for i in itertools.takewhile(lambda i: f"layer{i}/stride" in arch, itertools.count(1)):
        stage = STRIDES.index(int(str(arch[f"layer{i}/stride"])))
        found[stage].append(BLOCKS.index(str(arch.get(f"layer{i}/block", "conv"))))
    return found


def from_encoding(encoding: Any) -> Architecture:
    """The architecture of four lists of 0 and 1.

    Raises `UsageError` naming the stage and layer for other entries, attention where the image is too large
    for it, or a stage without layers between others.
    """
    if not isinstance(encoding, list | tuple) or [type(x) in (list, tuple) for x in encoding] != [True] * 4:
        raise UsageError(f"expected four lists of 0 and 1, one for each stride, got {encoding!r}")
    if not encoding[1] or not encoding[2]:
        raise UsageError(
            f"stage {2 if not encoding[1] else 3} has no layers; a layer halves the image only once, so only"
            " the first and the last stage may be empty"
        )
    values: dict[str, Value] = {}
    for stage, (stride, blocks) in enumerate(zip(STRIDES, encoding, strict=True), start=1):
        for at, block in enumerate(blocks, start=1):
            i = sum(map(len, encoding[: stage - 1])) + at
            values[f"layer{i}/stride"] = stride
            if type(block) is not int or block not in (0, 1):
                raise UsageError(
                    f"layer {at} of stage {stage} is {block!r}; expected 0 (attention) or 1 (convolution)"
                )
            if stride in ATTENTION:
                values[f"layer{i}/block"] = BLOCKS[block]
            elif block == 0:
                raise UsageError(
                    f"layer {at} of stage {stage} is attention; there is attention in stages 3 and 4 only"
                )
    return Architecture(values)


BOSSNET_T0 = [[1], [1], [1, 1, 1, 0, 1], [0, 0, 0, 1, 0, 0, 0, 0, 0]]
"""What the authors found, as their code for retraining has it, `HyTra_retraining/boss_models.py` of
https://github.com/changlin31/BossNAS."""
