"""The gates of FairDARTS: options don't compete (Chu et al. 2020, https://arxiv.org/abs/1911.12126)."""

from torch import Tensor

from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class Sigmoid(Relaxation):
    """All options of one-of-n decisions, each weighted by the sigmoid of its own parameter; all options of
    k-of-n decisions, unweighted.

    There is no zero candidate: an option that helps nothing goes to zero by itself.
    """

    compete = False

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """Each between 0 and 1; they don't add up to one."""
        return alpha.sigmoid()
