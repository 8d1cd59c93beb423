"""BatchNorms with elastic width."""

from collections.abc import Callable, Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.choice import current
from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import Axis, ElasticLayer, built, chosen
from nasturtium.modules.ops import batch_norm
from nasturtium.space.architecture import Architecture


class ElasticBatchNorm2d(ElasticLayer):
    """`nn.BatchNorm2d` whose number of channels may be a decision; narrower ones use the first channels.

    Running statistics are shared by slicing too, so recalibrate them before scoring a sub-network.
    """

    layer: ClassVar[type[nn.BatchNorm1d | nn.BatchNorm2d]] = nn.BatchNorm2d

    def __init__(self, channels: Size) -> None:
        super().__init__(channels)
        self.channels = channels
        self.largest = self.layer(built(channels), affine=current().affine)

    def axes(self) -> Iterator[Axis]:
        """Parameters and statistics."""
        tensors = (*self.largest.parameters(), *self.largest.buffers())
        return (Axis(tensor, 0, self.channels) for tensor in tensors if tensor.dim())

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A plain BatchNorm with the chosen slice of parameters and statistics."""
        channels = chosen(self.channels, arch)
        values = self.largest.state_dict()
        like = self.largest
        norm = self.layer(channels, like.eps, like.momentum, like.affine).to(values["running_mean"])
        with torch.no_grad():
            for name, tensor in norm.state_dict().items():
                tensor.copy_(values[name][:channels] if values[name].dim() else values[name])
        return norm

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as the input, which has the gated number of channels in its second dimension."""
        norm, n = self.largest, self.size(self.channels)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        share = norm.momentum or 0.0  # of a batch in the running statistics
        if norm.training:
            norm.num_batches_tracked.add_(1)
            if norm.momentum is None:  # their mean over all batches
                share = 1 / int(norm.num_batches_tracked)
        return F.batch_norm(
            x,
            norm.running_mean[:n],
            norm.running_var[:n],
            norm.weight[:n] if norm.affine else None,
            norm.bias[:n] if norm.affine else None,
            norm.training,
            share,
            norm.eps,
        )


class ElasticBatchNorm1d(ElasticBatchNorm2d):
    """The same for `nn.BatchNorm1d`."""

    layer = nn.BatchNorm1d


def batch_norm2d(channels: Size) -> nn.Module:
    """An `ElasticBatchNorm2d`, or an `nn.BatchNorm2d` if the number of channels is no decision."""
    return batch_norm(channels) if isinstance(channels, int) else ElasticBatchNorm2d(channels)
