"""A space that is small enough to train every network of it: that of the benchmark `digits`, see
`nasturtium.tables.digits`.

One cell of two nodes and three edges, made as those of NAS-Bench-201 (Dong & Yang 2020,
https://arxiv.org/abs/2001.00326), of which it has three operations: without `none`, so that no network is cut
in two. The cell comes one to three times, and before the second and the third time the image is halved, each
time in one of two ways. The width is one of three and the same in the whole network. 567 networks.

It is not registered among the spaces, as nobody published it, and mixtures can't search it, since a network's
depth changes the size of its image.
"""

from functools import partial

from torch import Tensor, nn

from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.edge import Edge
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS
from nasturtium.modules.repeat import Repeat

WIDTHS = (4, 8, 16)
DEPTHS = (1, 2, 3)
OPERATIONS = ("skip_connect", "nor_conv_3x3", "avg_pool_3x3")
REDUCTIONS = ("nor_conv_3x3", "avg_pool_3x3")


class SmallBlock(nn.Module):
    """Block `i` from 0: halves the image, but for the first, and runs the cell."""

    def __init__(self, channels: int, i: int) -> None:
        super().__init__()
        reductions = {name: OPS.get(name) for name in REDUCTIONS}
        self.reduction = Edge(f"reduction/{i}", reductions, channels, stride=2) if i else nn.Identity()
        operations = {name: OPS.get(name) for name in OPERATIONS}
        self.cell = Cell("cell", operations, channels, nodes=2, k=None, inputs=1, output="last")

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → the same shape, or B×C×⌈H/2⌉×⌈W/2⌉."""
        return self.cell([self.reduction(x_BCHW)])


class SmallCellNetwork(OneOf):
    """The network at each of the widths: stem, blocks, classifier. `input_shape` is (C, H, W)."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__(
            "width",
            {width: partial(_network, input_shape[0], width, classes) for width in WIDTHS},
            ordered=True,
        )


def _network(in_: int, channels: int, classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        Repeat("depth", partial(SmallBlock, channels), DEPTHS),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, classes),
    )
