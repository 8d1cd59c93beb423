"""The mixture of PC-DARTS (Xu et al. 2020, https://arxiv.org/abs/1907.05737).

DARTS' softmax over operations that run on a part of the channels, and one more over the edges into a node,
because which channels are seen would otherwise decide too much about single edges.
"""

import torch
from torch import Tensor

from nasturtium.oneshot.relaxations.base import small
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.space.decision import Decision


class PartialChannels(Softmax):
    """All options of all decisions, weighted; operations of edges on 1/`part` of the channels (published: 4
    on CIFAR-10, 2 on ImageNet).

    The row of a k-of-n decision is the authors' β. A node that takes all of its edges has no decision, so
    that these only have their operations' weights.
    """

    def __init__(self, part: int = 4) -> None:
        super().__init__()
        self.part = part

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """Small random numbers, as the authors start, for k-of-n decisions, too."""
        return small(n, generator)
