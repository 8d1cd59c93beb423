"""A search space of your own: an ordinary module with choices in it, searched on the digits."""

import argparse

from torch import Tensor, nn

import nasturtium as nas


class SmallNet(nn.Module):
    """A stem, one to three residual blocks, a classifier; widths, kernels, activations and depth are open."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        width = nas.Dim("width", (8, 16, 24))
        self.stem = nas.ElasticConv2d(input_shape[0], width, kernel=3)
        self.blocks = nas.Repeat("depth", lambda i: Block(width, i), depths=(1, 2, 3))
        self.head = nas.ElasticLinear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


class Block(nn.Module):
    def __init__(self, width: nas.Dim, i: int) -> None:
        super().__init__()
        self.conv = nas.ElasticConv2d(width, width, kernel=nas.Dim(f"kernel/{i}", (3, 5)))
        self.norm = nas.ElasticBatchNorm2d(width)
        self.activation = nas.OneOf("activation", {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU})

    def forward(self, x: Tensor) -> Tensor:
        return x + self.activation(self.norm(self.conv(x)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--budget", default="2m", help="time for everything, or '8 trials' for the search alone"
    )
    parser.add_argument("--epochs", type=int, default=20, help="of the final training")
    parser.add_argument("--folder", default="runs")
    options = parser.parse_args()
    result = nas.search(
        space=SmallNet,
        data="digits",
        method="random",
        budget=options.budget,
        folder=options.folder,
        training={"epochs": options.epochs},
    )
    print(result.architecture)
    print(result.verdict["sentence"])
    print(f"report: {result.report_path}")
