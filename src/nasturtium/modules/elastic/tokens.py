"""What turns images into a sequence of vectors, with elastic width: patches, positions, a class token."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticPatches(ElasticLayer):
    """A vector for each `patch`×`patch` square of an image, whose `width` may be a decision.

    Narrower ones use the first filters. Pixels beyond the last whole square are not read.
    """

    def __init__(self, channels: int, width: Size, patch: int) -> None:
        super().__init__(width)
        self.channels, self.width, self.patch = channels, width, patch
        self.largest = nn.Conv2d(channels, built(width), patch, patch)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Conv2d` with the chosen filters."""
        width = chosen(self.width, arch)
        conv = nn.Conv2d(self.channels, width, self.patch, self.patch).to(self.largest.weight)
        weight, bias = self._slices(width)
        with torch.no_grad():
            conv.weight.copy_(weight)
            if conv.bias is not None:
                conv.bias.copy_(bias)
        return conv

    def _slices(self, width: int) -> tuple[Tensor, Tensor]:
        assert self.largest.bias is not None
        return self.largest.weight[:width], self.largest.bias[:width]

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → B×width×⌊H/patch⌋×⌊W/patch⌋ at the gated width."""
        return F.conv2d(x_BCHW, *self._slices(self.size(self.width)), stride=self.patch)


class Positions(nn.Module):
    """Adds a learned vector to each of `number` positions."""

    def __init__(self, number: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(nn.init.trunc_normal_(torch.empty(number, width), std=0.02))

    def use(self, x_BLC: Tensor, vectors_LC: Tensor) -> Tensor:
        """`x` with `vectors` added."""
        return x_BLC + vectors_LC

    def forward(self, x_BLC: Tensor) -> Tensor:
        """Same shape as the input."""
        return self.use(x_BLC, self.vectors)


class Prefix(nn.Module):
    """Puts `number` learned vectors, such as a class token, in front of a sequence."""

    def __init__(self, number: int, width: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(nn.init.trunc_normal_(torch.empty(number, width), std=0.02))

    def use(self, x_BLC: Tensor, vectors_NC: Tensor) -> Tensor:
        """`vectors` and then `x`."""
        return torch.cat([vectors_NC.expand(x_BLC.shape[0], -1, -1), x_BLC], dim=1)

    def forward(self, x_BLC: Tensor) -> Tensor:
        """B×L×C → B×(number + L)×C."""
        return self.use(x_BLC, self.vectors)


class ElasticVectors(ElasticLayer):
    """`Positions` or a `Prefix` whose `width` may be a decision; narrower ones use the first columns."""

    def __init__(self, kind: type[Positions] | type[Prefix], number: int, width: Size) -> None:
        super().__init__(width)
        self.kind, self.number, self.width = kind, number, width
        self.largest = kind(number, built(width))

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A plain module with the chosen columns."""
        width = chosen(self.width, arch)
        plain = self.kind(self.number, width).to(self.largest.vectors)
        with torch.no_grad():
            plain.vectors.copy_(self.largest.vectors[:, :width])
        return plain

    def forward(self, x_BLC: Tensor) -> Tensor:
        """What the plain module gives at the gated width."""
        return self.largest.use(x_BLC, self.largest.vectors[:, : self.size(self.width)])
