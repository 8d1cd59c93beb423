"""A depthwise convolution along a sequence that sees nothing later, with elastic width."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class CausalDepthwise(nn.Module):
    """Each channel's own weighted sum of a position and the `kernel` - 1 before it."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.back = kernel - 1
        self.conv = nn.Conv1d(channels, channels, kernel, groups=channels, bias=False)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        return self.conv(F.pad(x_BLC.transpose(1, 2), (self.back, 0))).transpose(1, 2)


class ElasticCausalDepthwise(ElasticLayer):
    """`CausalDepthwise` whose `channels` may be a decision; narrower ones use the first channels."""

    def __init__(self, channels: Size, kernel: int) -> None:
        super().__init__(channels)
        self.channels, self.kernel = channels, kernel
        self.largest = CausalDepthwise(built(channels), kernel)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A `CausalDepthwise` with the chosen channels."""
        channels, weight = chosen(self.channels, arch), self.largest.conv.weight
        plain = CausalDepthwise(channels, self.kernel).to(weight)
        with torch.no_grad():
            plain.conv.weight.copy_(weight[:channels])
        return plain

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input, which has the gated number of channels."""
        channels = self.size(self.channels)
        x_BCL = F.pad(x_BLC.transpose(1, 2), (self.largest.back, 0))
        return F.conv1d(x_BCL, self.largest.conv.weight[:channels], groups=channels).transpose(1, 2)
