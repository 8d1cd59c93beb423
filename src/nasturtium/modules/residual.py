"""An ordinary residual CNN, the yardstick that no search was spent on (He et al. 2016,
https://arxiv.org/abs/1512.03385).
"""

import torch
from torch import nn

from nasturtium.modules.shortcut import Residual


class ResidualBlock(nn.Sequential):
    """Two 3×3 convolutions and a shortcut, a 1×1 convolution where the shape changes."""

    def __init__(self, in_: int, out: int, stride: int) -> None:
        body = nn.Sequential(
            nn.Conv2d(in_, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        shortcut = None
        if in_ != out or stride != 1:
            shortcut = nn.Sequential(nn.Conv2d(in_, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        super().__init__(Residual(body, shortcut), nn.ReLU())


class ResidualNetwork(nn.Sequential):
    """Three stages of two blocks with `width`, 2·width and 4·width channels."""

    def __init__(self, input_channels: int, classes: int, width: int) -> None:
        super().__init__(
            nn.Sequential(
                nn.Conv2d(input_channels, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
            ),
            ResidualBlock(width, width, 1),
            ResidualBlock(width, width, 1),
            ResidualBlock(width, 2 * width, 2),
            ResidualBlock(2 * width, 2 * width, 1),
            ResidualBlock(2 * width, 4 * width, 2),
            ResidualBlock(4 * width, 4 * width, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4 * width, classes),
        )


def matched_width(input_channels: int, classes: int, parameters: int) -> int:
    """The width whose network comes closest to `parameters` trainable parameters."""

    def excess(width: int) -> int:
        with torch.device("meta"):
            net = ResidualNetwork(input_channels, classes, width)
        return abs(sum(p.numel() for p in net.parameters()) - parameters)

    width = 1
    while excess(width + 1) <= excess(width):
        width += 1
    return width
