"""The gates of FairDARTS: options don't compete (Chu et al. 2020, https://arxiv.org/abs/1911.12126)."""

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class Sigmoid(Relaxation):
    """All options of one-of-n decisions, each weighted by the sigmoid of its own parameter; all options of
    k-of-n decisions, unweighted.

    There is no zero candidate: an option that helps nothing goes to zero by itself.
    """

    compete = False

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """Small random numbers; k-of-n decisions are ranked by what they switch on."""
        return None if decision.many else 1e-3 * torch.randn(n, generator=generator)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Every option, with its own weight."""
        every = tuple(range(len(decision.options)))
        return Gate(every, None if alpha is None else self.probabilities(decision, alpha))

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """Each between 0 and 1; they don't add up to one."""
        return alpha.sigmoid()
