"""Squeeze-and-excitation (Hu et al. 2018, https://arxiv.org/abs/1709.01507), with elastic widths."""

from collections.abc import Callable

from torch import Tensor, nn

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.conv import conv2d


class SqueezeExcite(nn.Module):
    """Scales each channel by a number in 0–1 that a small network of width `reduced` computes from the
    means of all `channels`.
    """

    def __init__(
        self,
        channels: Size,
        reduced: Size,
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        gate: Callable[[], nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = conv2d(channels, reduced, 1)
        self.activation = activation()
        self.expand = conv2d(reduced, channels, 1)
        self.gate = gate()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input."""
        scale_BC11 = self.expand(self.activation(self.reduce(self.pool(x_BCHW))))
        return x_BCHW * self.gate(scale_BC11)
