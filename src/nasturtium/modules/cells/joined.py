"""Some of several states concatenated, and the layers behind, whose inputs depend on which.

Other decisions say which states are joined: the loose ends of a cell, the skip connections into a layer
(Pham et al. 2018, https://arxiv.org/abs/1802.03268). The layer behind owns columns of weights for every state
and uses those of the joined ones; a derived layer has only these.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.choice import Choice, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, Value


class Joined(Protocol):
    """Which of `count` states are joined."""

    @property
    def count(self) -> int:
        """How many states there are."""

    def decisions(self) -> tuple[Decision, ...]:
        """What it depends on: decisions that others make, or that are made here."""

    def states(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """The joined states in ascending order, at least one, given the values of the decisions."""


class _JoinedLayer(Choice):
    """What depends on the states that are joined; it needs gates with one option."""

    runs_mixtures = False

    def __init__(self, joined: Joined) -> None:
        super().__init__()
        self.joined = joined
        arch = current().arch
        self.built = tuple(range(joined.count)) if arch is None else joined.states(arch)

    def decisions(self) -> tuple[Decision, ...]:
        """Those that say which states are joined."""
        return self.joined.decisions()

    def states(self) -> tuple[int, ...]:
        """The states that the gates join."""
        return self.joined.states({d.name: self.value(d) for d in self.decisions()})

    def columns(self, weight: Tensor, states: Sequence[int], width: int) -> Tensor:
        """The columns (dimension 1) of a weight that belong to `states`, `width` each."""
        at = [self.built.index(state) * width for state in states]
        return torch.cat([weight[:, start : start + width] for start in at], dim=1)


class Join(_JoinedLayer):
    """Concatenates the joined states along channels.

    `fits` maps a state to a function that makes what brings it to the others' size before.
    """

    def __init__(self, joined: Joined, fits: Mapping[int, Callable[[], nn.Module]] | None = None) -> None:
        super().__init__(joined)
        self.fits = nn.ModuleDict({str(i): fit() for i, fit in (fits or {}).items() if i in self.built})

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """What fits the states."""
        for fit in self.fits.values():
            yield None, fit

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A `Concat` of the chosen states."""
        states = self.joined.states(arch)
        fits = {i: inner(self.fits[str(i)]) for i in states if str(i) in self.fits}
        return Concat(states, fits)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are all of them, B×C×H×W each once fitted; returns B×(joined·C)×H×W."""
        return torch.cat(
            [self.fits[str(i)](states[i]) if str(i) in self.fits else states[i] for i in self.states()], dim=1
        )


class Concat(nn.Module):
    """Concatenates the states at fixed positions along channels, some fitted before."""

    def __init__(self, positions: Sequence[int], fits: Mapping[int, nn.Module]) -> None:
        super().__init__()
        self.positions = tuple(positions)
        self.fits = nn.ModuleList(fits.values())
        self.fitted = {position: at for at, position in enumerate(fits)}

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are all of them; returns the chosen ones, B×(joined·C)×H×W."""
        parts = []
        for i in self.positions:
            parts.append(self.fits[self.fitted[i]](states[i]) if i in self.fitted else states[i])
        return torch.cat(parts, dim=1)


class JoinedConv2d(_JoinedLayer):
    """A 1×1 convolution without bias behind a `Join` of states of `width` channels."""

    def __init__(self, joined: Joined, width: int, out: int, stride: int = 1) -> None:
        super().__init__(joined)
        self.width, self.out, self.stride = width, out, stride
        self.weight = _conv(len(self.built) * width, out, stride).weight

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Conv2d` with the columns of the chosen states."""
        states = self.joined.states(arch)
        conv = _conv(len(states) * self.width, self.out, self.stride).to(self.weight)
        with torch.no_grad():
            conv.weight.copy_(self.columns(self.weight, states, self.width))
        return conv

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×(joined·width)×H×W → B×out×H'×W'."""
        return F.conv2d(x_BCHW, self.columns(self.weight, self.states(), self.width), stride=self.stride)


class JoinedLinear(_JoinedLayer):
    """A fully connected layer behind a `Join` of states of `width` channels, pooled."""

    def __init__(self, joined: Joined, width: int, out: int) -> None:
        super().__init__(joined)
        self.width, self.out = width, out
        largest = nn.Linear(len(self.built) * width, out)
        self.weight, self.bias = largest.weight, largest.bias

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Linear` with the columns of the chosen states."""
        states = self.joined.states(arch)
        linear = nn.Linear(len(states) * self.width, self.out).to(self.weight)
        with torch.no_grad():
            linear.weight.copy_(self.columns(self.weight, states, self.width))
            linear.bias.copy_(self.bias)
        return linear

    def forward(self, x: Tensor) -> Tensor:
        """B×(joined·width) → B×out."""
        return F.linear(x, self.columns(self.weight, self.states(), self.width), self.bias)


@dataclass(frozen=True)
class Output:
    """What leaves a part of a network: `width` channels, or that many for each state that `joined` joins."""

    width: int
    joined: Joined | None = None

    def conv(self, out: int, stride: int = 1) -> nn.Module:
        """A 1×1 convolution without bias that takes it."""
        if self.joined is None:
            return _conv(self.width, out, stride)
        return JoinedConv2d(self.joined, self.width, out, stride)

    def linear(self, out: int) -> nn.Module:
        """A fully connected layer that takes it pooled."""
        if self.joined is None:
            return nn.Linear(self.width, out)
        return JoinedLinear(self.joined, self.width, out)


def _conv(in_: int, out: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(in_, out, 1, stride, bias=False)
