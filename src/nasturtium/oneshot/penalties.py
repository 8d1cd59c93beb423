"""Penalties change the loss of the architecture, whatever the images say.

Some look at what architectures cost, others at the architecture parameters themselves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nasturtium.hardware.cost_table import CostTable
from nasturtium.oneshot.relaxations.dirichlet import concentration
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet

Penalty = Callable[[Tensor, Supernet, float], Tensor]
"""The architecture's loss, made of the loss of a batch, the supernet, and the share of the search that is
over: 0 at first, 1 in the last epoch.
"""

LOGARITHM_UNIT = {"flops": 1.0, "params": 1.0, "latency_ms": 1e-3}
"""Logarithms want numbers well over one, so that latencies count in microseconds."""


class AddedCost:
    """loss + weight · E[cost] / reference (Cai et al. 2019, https://arxiv.org/abs/1812.00332).

    The reference is what an architecture costs on average before the search, so that the weight has no unit.
    """

    def __init__(self, table: CostTable, weight: float) -> None:
        self._table = table
        self._weight = weight / table.expected({}).item()

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the expected cost of what the supernet's parameters stand for now."""
        return loss + self._weight * self._table.expected(supernet.probabilities())


class MultipliedCost:
    """loss · scale · ln(E[cost])^exponent (Wu et al. 2019, https://arxiv.org/abs/1812.03443)."""

    def __init__(self, table: CostTable, exponent: float, *, scale: float = 0.2) -> None:
        self._table = table
        self._exponent = exponent
        self._scale = scale

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss, larger the more is expected of what the supernet's parameters stand for now."""
        cost = self._table.expected(supernet.probabilities()) / LOGARITHM_UNIT[self._table.metric]
        return loss * self._scale * cost.log() ** self._exponent


@dataclass(frozen=True)
class BetaDecay:
    """`weight` · log Σ exp α, the mean over decisions, growing linearly from nothing to `weight` in the last
    epoch (β-DARTS, Ye et al. 2022, https://arxiv.org/abs/2203.01665).

    It takes most from the largest parameter, so that the softmax neither moves nor saturates quickly.
    """

    weight: float

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the penalty."""
        rows = [alpha.logsumexp(dim=0) for alpha in supernet.alphas.values()]
        return loss + self.weight * progress * torch.stack(rows).mean()


@dataclass(frozen=True)
class AlphaVariance:
    """`weight` · the variance of a decision's parameters, the mean over decisions, which keeps options from
    getting far ahead of others.

    Sometimes described as FairNAS, which is a way to train single paths and has no such term.
    """

    weight: float

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the penalty."""
        rows = [alpha.var(correction=0) for alpha in supernet.alphas.values()]
        return loss + self.weight * torch.stack(rows).mean()


@dataclass(frozen=True)
class ZeroOne:
    """−`weight` · (p − ½)², the mean over all options' weights p, which drives them to 0 or 1 (FairDARTS, Chu
    et al. 2020, https://arxiv.org/abs/1911.12126).
    """

    weight: float

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the penalty."""
        relaxation, decisions = supernet.relaxation, supernet.space.decisions
        assert relaxation is not None
        rows = [relaxation.probabilities(decisions[name], alpha) for name, alpha in supernet.alphas.items()]
        return loss - self.weight * (torch.cat(rows) - 0.5).square().mean()


@dataclass(frozen=True)
class Anchor:
    """`weight` · half the squared distance of a `Dirichlet` relaxation's concentrations from one, where all
    mixtures are equally likely (DrNAS, Chen et al. 2021, https://arxiv.org/abs/2006.10355).

    The authors' program has L2 decay of α instead, which is the same for α ≥ 0.
    """

    weight: float

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the penalty."""
        beta = concentration(torch.cat(list(supernet.alphas.values())))
        return loss + 0.5 * self.weight * (beta - 1).square().sum()


def chosen(settings: BilevelSettings) -> Iterator[Penalty]:
    """The penalties that the settings switch on."""
    if settings.alpha_variance:
        yield AlphaVariance(settings.alpha_variance)
    if settings.beta_decay:
        yield BetaDecay(settings.beta_decay)
    if settings.zero_one:
        yield ZeroOne(settings.zero_one)
