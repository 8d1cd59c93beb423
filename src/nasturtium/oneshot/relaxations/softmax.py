"""The mixture of DARTS.

Every operation runs, weighted by a softmax (Liu et al. 2019, https://arxiv.org/abs/1806.09055).
"""

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class Softmax(Relaxation):
    """All options of one-of-n decisions, weighted; all options of k-of-n decisions, unweighted."""

    null = True

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """Small random numbers, as the authors start; k-of-n decisions are ranked by what they switch on."""
        return None if decision.many else 1e-3 * torch.randn(n, generator=generator)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Every option, with its probability."""
        every = tuple(range(len(decision.options)))
        return Gate(every, None if alpha is None else self.probabilities(decision, alpha))

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """The softmax over the row, without the zero candidate."""
        return alpha.softmax(dim=0)[: len(decision.options)]
