"""The macro space of TransNAS-Bench-101 (Duan et al. 2021, https://arxiv.org/abs/2105.11871).

4 to 6 modules of two residual blocks. Every module may double the channels and may halve the image, but one
to three of them double and one to four halve: 3,256 networks. The benchmark has seven tasks; this is the
network for its classification tasks.
"""

import math
import re
from collections.abc import Mapping

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Computed, Dim, Size, derived
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.elastic.shortcut import ElasticShortcut
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.shortcut import Residual
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Constraint, Count
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, require_text, space
from nasturtium.spaces.transnasbench101_micro import require_stem, stem

DEPTH = "network/modules"
DEPTHS = (4, 5, 6)
MOST = DEPTHS[-1]
DOUBLINGS = (1, 3)
HALVINGS = (1, 4)
WIDEN = tuple(Dim(f"module{i}/channels", (1, 2)) for i in range(1, MOST + 1))
STRIDE = tuple(Dim(f"module{i}/stride", (1, 2)) for i in range(1, MOST + 1))


def conv(in_: Size, out: Size, stride: Size = 1) -> nn.Sequential:
    """ReLU, 3×3 convolution, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(), ElasticConv2d(in_, out, 3, stride=stride, bias=False), ElasticBatchNorm2d(out)
    )


def basic_block(in_: Size, out: Size, stride: Size) -> nn.Module:
    """Two convolutions and a shortcut around them."""
    convs = nn.Sequential(conv(in_, out, stride), conv(out, out))
    return Residual(convs, ElasticShortcut(in_, out, stride=stride))


class MacroNetwork(nn.Sequential):
    """Stem, modules, classifier; `channels` after the stem."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int, channels: int) -> None:
        most = 2 ** DOUBLINGS[1]

        def width(modules: int) -> Size:
            """The channels after so many modules."""
            dims = WIDEN[:modules]
            return derived(lambda *factors: channels * min(math.prod(factors), most), *dims)

        def module(i: int) -> nn.Module:
            out = width(i + 1)
            return nn.Sequential(basic_block(width(i), out, STRIDE[i]), basic_block(out, out, 1))

        def last(values: Mapping[str, Value]) -> int:
            return channels * math.prod(factor for factor in values.values() if isinstance(factor, int))

        sizes = tuple(channels * 2**n for n in range(DOUBLINGS[0], DOUBLINGS[1] + 1))
        super().__init__(
            stem(input_shape[0], channels),
            Repeat(DEPTH, module, DEPTHS),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            ElasticLinear(Computed(last, tuple(dim.decision for dim in WIDEN), sizes), classes),
        )


def _between(what: str, limits: tuple[int, int], dims: tuple[Dim, ...]) -> Constraint:
    least, most = limits
    names = frozenset(dim.name for dim in dims)
    return Count(f"{least} to {most} modules must {what}", names, frozenset([2]), least, most)


CONSTRAINTS = (
    _between("double the channels", DOUBLINGS, WIDEN),
    _between("halve the image", HALVINGS, STRIDE),
)


@space(
    "transnasbench101-macro",
    summary="where 4 to 6 modules widen and reduce, 3,256 networks",
    paper="https://arxiv.org/abs/2105.11871",
    shape=(3, 256, 256),
    classes=75,
    small={"channels": 4},
)
def transnasbench101_macro(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 64
) -> Blueprint:
    """The published size is 64 channels after the stem; data and classes are those of object classification.

    Raises `UsageError` for images under 8×8 or fewer than 2 channels.
    """
    require_image("transnasbench101-macro", input_shape)
    require_stem("transnasbench101-macro", channels)
    return Blueprint(
        lambda: MacroNetwork(input_shape, classes, channels), constraints=CONSTRAINTS, notation=to_string
    )


def to_string(arch: Architecture) -> str:
    """The benchmark's own notation, `64-1234-basic`.

    A digit per module: 1 keeps the shape, 2 doubles the channels, 3 halves the image, 4 does both.
    """
    depth = int(str(arch[DEPTH]))
    digits = (
        1 + (arch[widen.name] == 2) + 2 * (arch[stride.name] == 2)
        for widen, stride in zip(WIDEN[:depth], STRIDE[:depth], strict=True)
    )
    return f"64-{''.join(map(str, digits))}-basic"


def from_string(text: str) -> Architecture:
    """The architecture of a string in the benchmark's notation; raises `UsageError` naming the wrong part."""
    match = re.fullmatch(r"64-(.*)-basic", require_text(text, "64-1234-basic"))
    if match is None:
        raise UsageError(
            f"{text!r} is no macro network of TransNAS-Bench-101; expected such as 64-1234-basic"
        )
    code = match[1]
    if len(code) not in DEPTHS:
        raise UsageError(f"{text!r} has {len(code)} modules; expected 4, 5 or 6, as in 64-1234-basic")
    values: dict[str, Value] = {DEPTH: len(code)}
    for i, digit in enumerate(code):
        if digit not in ("1", "2", "3", "4"):
            raise UsageError(f"module {i + 1} of {text!r} is {digit!r}; known are 1, 2, 3, 4")
        values[WIDEN[i].name] = 2 if digit in "24" else 1
        values[STRIDE[i].name] = 2 if digit in "34" else 1
    for constraint in CONSTRAINTS:
        if reason := constraint.violation(values):
            raise UsageError(f"{text!r}: {reason}")
    return Architecture(values)
