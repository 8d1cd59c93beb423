"""The mixture of DrNAS: weights drawn from a Dirichlet distribution (Chen et al. 2021,
https://arxiv.org/abs/2006.10355).
"""

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


def concentration(alpha: Tensor) -> Tensor:
    """elu(α) + 1, exact also where it is close to zero."""
    return torch.where(alpha > 0, alpha + 1, alpha.clamp(max=0).exp())


class Dirichlet(Relaxation):
    """All options of one-of-n decisions, with weights from Dirichlet(elu(α) + 1) that are drawn anew for each
    pass; all options of k-of-n decisions, unweighted.

    The gradient goes through the draw: weights are Gamma variables divided by their sum, and these have an
    implicit derivative by their concentration. It can't be differentiated twice. Nearly all mixtures are
    equally likely at first.
    """

    null = True
    twice = False

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Every option, with the weight that was drawn for it."""
        every = tuple(range(len(decision.options)))
        return Gate(every, None if alpha is None else self._draw(alpha)[: len(every)])

    def _draw(self, alpha: Tensor) -> Tensor:
        # small concentrations give numbers that only float64 can hold
        gamma = torch._standard_gamma(concentration(alpha.cpu().double()), generator=self.generator)
        return (gamma / gamma.sum()).to(alpha)

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """The mean weights, without the zero candidate."""
        mean = concentration(alpha)
        return (mean / mean.sum())[: len(decision.options)]
