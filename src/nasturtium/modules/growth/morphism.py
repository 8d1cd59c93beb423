"""Changes of trained layers that keep what a network computes with BatchNorms in evaluation mode.

Widening replicates units (Net2Net, Chen et al. 2016, https://arxiv.org/abs/1511.05641): what reads them gives
each copy a share of the weight, and the shares of a unit add up to one. The paper takes equal shares and adds
noise, because equal copies would stay equal in training; here the shares differ, which tells the copies apart
without changing the function. A new layer is the identity; its BatchNorm expects the statistics that the
layers before predict, so that a step of training does not forget everything either.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

UNEVEN = 0.5  # shares before scaling are drawn from 1 - UNEVEN to 1 + UNEVEN


@dataclass(frozen=True)
class Replication:
    """Which old unit each new one copies, and its share of what reads it; the old units come first."""

    source: Tensor
    shares: Tensor

    @classmethod
    def draw(cls, old: int, new: int, generator: torch.Generator) -> "Replication":
        """Random copies for the `new - old` units that are missing."""
        copies = torch.randint(old, (new - old,), generator=generator)
        source = torch.cat([torch.arange(old), copies])
        raw = 1 + UNEVEN * (2 * torch.rand(new, generator=generator, dtype=torch.float64) - 1)
        total = torch.zeros(old, dtype=raw.dtype).index_add_(0, source, raw)
        return cls(source, raw / total[source])

    def units(self, tensor: Tensor, dim: int = 0) -> Tensor:
        """The units along `dim`, replicated."""
        return tensor.index_select(dim, self.source.to(tensor.device))

    def readers(self, weight: Tensor) -> Tensor:
        """The weights of dimension 1, which read the units, with their shares."""
        shares = self.shares.to(weight.device)
        wide = self.units(weight.double(), 1) * shares.reshape(-1, *[1] * (weight.dim() - 2))
        return wide.to(weight.dtype)


def with_more_outputs(conv: nn.Conv2d, replication: Replication) -> nn.Conv2d:
    """The convolution with replicated filters."""
    return _convolution(conv, replication.units(conv.weight))


def with_more_inputs(conv: nn.Conv2d, replication: Replication) -> nn.Conv2d:
    """The convolution that reads replicated channels."""
    return _convolution(conv, replication.readers(conv.weight))


def with_kernel(conv: nn.Conv2d, kernel: int) -> nn.Conv2d:
    """The convolution with a larger odd kernel, zero around the old one."""
    edge = (kernel - conv.kernel_size[0]) // 2
    return _convolution(conv, F.pad(conv.weight, (edge, edge, edge, edge)))


def _convolution(old: nn.Conv2d, weight: Tensor) -> nn.Conv2d:
    """A padded convolution of stride 1 without bias."""
    out, in_, kernel, _ = weight.shape
    new = nn.Conv2d(in_, out, kernel, padding=kernel // 2, bias=False)
    _fill(new, {"weight": weight}, old)
    return new


def with_more_features(linear: nn.Linear, replication: Replication) -> nn.Linear:
    """The linear layer that reads replicated features."""
    state = {**linear.state_dict(), "weight": replication.readers(linear.weight)}
    new = nn.Linear(len(replication.source), linear.out_features, bias=linear.bias is not None)
    _fill(new, state, linear)
    return new


def with_more_channels(norm: nn.BatchNorm2d, replication: Replication) -> nn.BatchNorm2d:
    """The BatchNorm with replicated scales, shifts and statistics."""
    state = {name: replication.units(t) if t.dim() else t for name, t in norm.state_dict().items()}
    new = nn.BatchNorm2d(len(replication.source), norm.eps, norm.momentum)
    _fill(new, state, norm)
    return new


def _fill(new: nn.Module, state: Mapping[str, Tensor], old: nn.Module) -> None:
    """Give `new` these values, in the place, the precision and the mode of `old`."""
    new.to(next(old.parameters())).train(old.training)
    new.load_state_dict(state)
    for ours, theirs in zip(new.parameters(), old.parameters(), strict=True):
        ours.requires_grad_(theirs.requires_grad)


def make_identity(conv: nn.Conv2d, norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Make a convolution, which keeps the number of channels, and its BatchNorm pass on their input.

    `mean` and `variance` are those expected of the input's channels.
    """
    nn.init.dirac_(conv.weight)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((norm.running_var.double() + norm.eps).sqrt())
        norm.bias.copy_(norm.running_mean)


def make_silent(norm: nn.BatchNorm2d) -> None:
    """Make a BatchNorm give zeros, whatever comes in, until its scale has learned."""
    nn.init.zeros_(norm.weight)
    nn.init.zeros_(norm.bias)


def rectified(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of max(x, 0) for normal x."""
    deviation = variance.clamp(min=1e-12).sqrt()
    normal = torch.distributions.Normal(0, 1)
    ratio = mean / deviation
    above, density = normal.cdf(ratio), normal.log_prob(ratio).exp()
    first = mean * above + deviation * density
    second = (mean**2 + variance) * above + mean * deviation * density
    return first, (second - first**2).clamp(min=0)
