"""A LayerNorm with elastic width."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import Axis, ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticLayerNorm(ElasticLayer):
    """`nn.LayerNorm` over the last dimension, whose `width` may be a decision; narrower ones use the first
    entries of scale and shift.
    """

    def __init__(self, width: Size, *, eps: float = 1e-5) -> None:
        super().__init__(width)
        self.width, self.eps = width, eps
        largest = nn.LayerNorm(built(width), eps)
        self.weight, self.bias = largest.weight, largest.bias

    def axes(self) -> Iterator[Axis]:
        """Scale and shift."""
        return (Axis(tensor, 0, self.width) for tensor in (self.weight, self.bias))

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.LayerNorm` with the chosen slice of scale and shift."""
        width = chosen(self.width, arch)
        norm = nn.LayerNorm(width, self.eps).to(self.weight)
        with torch.no_grad():
            norm.weight.copy_(self.weight[:width])
            norm.bias.copy_(self.bias[:width])
        return norm

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) at the gated width, same shape."""
        width = self.size(self.width)
        return F.layer_norm(x, (width,), self.weight[:width], self.bias[:width], self.eps)
