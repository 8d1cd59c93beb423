"""Parts of networks that predict something for each pixel."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def resize_as(x_BCHW: Tensor, like: Tensor) -> Tensor:
    """Bilinear, to the height and width of `like`; B×C×H×W → B×C×H'×W'."""
    return F.interpolate(x_BCHW, size=like.shape[-2:], mode="bilinear", align_corners=False)


class ConvBNReLU(nn.Sequential):
    """Convolution that keeps the size, BatchNorm, ReLU."""

    def __init__(self, in_: int, out: int, kernel: int = 1, rate: int = 1) -> None:
        padding = rate * (kernel // 2)
        super().__init__(
            nn.Conv2d(in_, out, kernel, padding=padding, dilation=rate, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        )


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017, https://arxiv.org/abs/1706.05587): convolutions 1×1
    and 3×3 with growing rates, and the mean of the image, joined.

    The rates are 6, 12, 18 at stride 16 and twice as large at half the stride.
    """

    def __init__(self, in_: int, out: int, stride: int) -> None:
        super().__init__()
        rates = [96 * i // stride for i in (1, 2, 3)]
        self.branches = nn.ModuleList(
            [ConvBNReLU(in_, out), *(ConvBNReLU(in_, out, 3, rate) for rate in rates)]
        )
        self.image = nn.Sequential(nn.AdaptiveAvgPool2d(1), ConvBNReLU(in_, out))
        self.join = ConvBNReLU(5 * out, out)

    def forward(self, x_BCHW: Tensor, like: Tensor) -> Tensor:
        """B×in×H×W → B×out×H'×W', the size of `like`."""
        x = F.relu(x_BCHW)
        features = [branch(x) for branch in self.branches]
        features.append(resize_as(self.image(x), x))
        return resize_as(self.join(torch.cat(features, dim=1)), like)
