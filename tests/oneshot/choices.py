"""Small choices of multiplications whose results and runs can be followed by hand."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.supernet import Supernet


class Times(nn.Module):
    """Multiplies by a factor, and writes down that it ran."""

    def __init__(self, factor: float, ran: list[float]) -> None:
        super().__init__()
        self.factor = factor
        self.ran = ran

    def forward(self, x: Tensor) -> Tensor:
        self.ran.append(self.factor)
        return self.factor * x


def times(ran: list[float], **factors: float) -> dict[str, Callable[[], nn.Module]]:
    return {name: lambda f=f: Times(f, ran) for name, f in factors.items()}


def four(ran: list[float], *, sites: int = 1) -> Blueprint:
    """Sites of one decision `op` between a, b, c and d, which multiply by 2, 3, 5 and 7."""

    def make() -> nn.Module:
        return nn.Sequential(*(OneOf("op", times(ran, a=2, b=3, c=5, d=7)) for _ in range(sites)))

    return Blueprint(make)


def one_of(relaxation: Relaxation, ran: list[float], *, sites: int = 1) -> Supernet:
    """The supernet of `four`, with parameters 0.5, -1, 1 and 0."""
    supernet = Supernet(four(ran, sites=sites), relaxation)
    with torch.no_grad():
        supernet.alphas["op"].copy_(torch.tensor([0.5, -1.0, 1.0, 0.0]))
    return supernet


def within(hits: int, draws: int, probability: float, *, deviations: float = 4.5) -> bool:
    """Whether a count is within so many standard deviations of a binomial distribution."""
    return abs(hits - draws * probability) <= deviations * (draws * probability * (1 - probability)) ** 0.5
