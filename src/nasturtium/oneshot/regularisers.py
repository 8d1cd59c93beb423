"""Penalties on the architecture parameters themselves, whatever the images say.

Each is a `Penalty` (see `bilevel.py`): it adds a term to the architecture's loss.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nasturtium.oneshot.relaxations.dirichlet import concentration
from nasturtium.oneshot.supernet import Supernet


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
