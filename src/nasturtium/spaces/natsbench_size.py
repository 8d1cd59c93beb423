"""The NATS-Bench size space (Dong et al. 2021, https://arxiv.org/abs/2009.00437).

Five widths of a fixed network: three cells with a reducing residual block after the first and the second.
Each width is one of 8, 16, …, 64: 32,768 networks. The cell is that of NAS-Bench-201 with the highest
validation accuracy on CIFAR-100; where its width changes, its skip connection is a 1×1 convolution with a
BatchNorm. The widths are those after the stem and the first cell, the first block, the second cell, the
second block, and the third cell.
"""

from collections.abc import Callable

from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import add
from nasturtium.modules.dims import Dim, Size
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.elastic.shortcut import ElasticShortcut
from nasturtium.modules.shortcut import Residual
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import require_image, require_text, space
from nasturtium.tables.natsbench_size import NAMES, STEP, WIDTHS, row_of


def conv(in_: Size, out: Size, *, stride: int = 1) -> nn.Sequential:
    """ReLU, 3×3 convolution, BatchNorm."""
    return nn.Sequential(
        nn.ReLU(), ElasticConv2d(in_, out, 3, stride=stride, bias=False), ElasticBatchNorm2d(out)
    )


class SizedCell(nn.Module):
    """The fixed cell between two widths.

    In the notation of NAS-Bench-201:
    |nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|
    """

    def __init__(self, in_: Size, out: Size) -> None:
        super().__init__()
        skip = ElasticShortcut(in_, out)
        self.nodes = nn.ModuleList(
            nn.ModuleList(edges)
            for edges in (
                [conv(in_, out)],
                [conv(in_, out), conv(out, out)],
                [skip, conv(out, out), conv(out, out)],
            )
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×H×W."""
        states = [x_BCHW]
        for edges in self.nodes:
            assert isinstance(edges, nn.ModuleList)
            states.append(add(edge(state) for edge, state in zip(edges, states, strict=True)))
        return states[-1]


def reduction(in_: Size, out: Size) -> nn.Module:
    """The residual block that halves the image."""
    # rounding up keeps odd sizes in step with the strided convolution
    shortcut = nn.Sequential(nn.AvgPool2d(2, 2, ceil_mode=True), ElasticConv2d(in_, out, 1, bias=False))
    return Residual(nn.Sequential(conv(in_, out, stride=2), conv(out, out)), shortcut)


class SizedNetwork(nn.Sequential):
    """Stem, cells and reductions, classifier; `widths` are the options of each of the five."""

    def __init__(self, channels: int, classes: int, widths: tuple[int, ...]) -> None:
        first, *_, last = dims = [Dim(name, widths) for name in NAMES]
        blocks: tuple[Callable[[Size, Size], nn.Module], ...] = (reduction, SizedCell) * 2
        super().__init__(
            ElasticConv2d(channels, first, 3, bias=False),
            ElasticBatchNorm2d(first),
            SizedCell(first, first),
            *(block(in_, out) for block, in_, out in zip(blocks, dims[:-1], dims[1:], strict=True)),
            ElasticBatchNorm2d(last),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            ElasticLinear(last, classes),
        )


@space(
    "natsbench-size",
    summary="five widths of a network with a fixed cell, 32,768 networks",
    paper="https://arxiv.org/abs/2009.00437",
    small={"step": 2},
)
def natsbench_size(
    input_shape: tuple[int, int, int], classes: int, *, widths: int = WIDTHS, step: int = STEP
) -> Blueprint:
    """Each of the five widths is one of `step`, 2·`step`, …, `widths`·`step`; the published ones are the
    multiples of 8 up to 64.

    Raises `UsageError` for images under 8×8.
    """
    require_image("natsbench-size", input_shape)
    options = tuple(step * (i + 1) for i in range(widths))
    return Blueprint(lambda: SizedNetwork(input_shape[0], classes, options), notation=to_string)


def to_string(arch: Architecture) -> str:
    """The benchmark's own notation, `8:16:24:32:40`."""
    return ":".join(str(arch[name]) for name in NAMES)


def from_string(text: str) -> Architecture:
    """The architecture of a string in the benchmark's notation; raises `UsageError` naming the wrong part."""
    return Architecture(dict(zip(NAMES, row_of(require_text(text, "8:16:24:32:40")), strict=True)))
