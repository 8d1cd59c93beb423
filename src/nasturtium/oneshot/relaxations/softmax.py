"""The mixture of DARTS.

Every operation runs, weighted by a softmax (Liu et al. 2019, https://arxiv.org/abs/1806.09055).
"""

from torch import Tensor

from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class Softmax(Relaxation):
    """All options of one-of-n decisions, weighted; all options of k-of-n decisions, unweighted."""

    null = True

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """The softmax over the row, without the zero candidate."""
        return alpha.softmax(dim=0)[: len(decision.options)]
