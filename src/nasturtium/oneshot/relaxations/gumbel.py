"""Samples of the concrete distribution: a softmax with noise, sharper the lower its temperature.

SNAS (Xie et al. 2019, https://arxiv.org/abs/1812.09926) and FBNet (Wu et al. 2019,
https://arxiv.org/abs/1812.03443) mix all operations by such a sample. The distribution itself is that of
Maddison et al. 2017 (https://arxiv.org/abs/1611.00712) and Jang et al. 2017
(https://arxiv.org/abs/1611.01144).
"""

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.relaxations.temperature import Schedule, exponential
from nasturtium.space.decision import Decision

FBNET = exponential(5.0, 5.0 * 0.956**89)
"""FBNet's temperature: 5.0 in the first of 90 epochs, times 0.956 after each."""


class Gumbel(Softmax):
    """All options of one-of-n decisions, weighted by one sample for each decision and pass; all options of
    k-of-n decisions, unweighted.
    """

    def __init__(self, temperature: Schedule = FBNET) -> None:
        super().__init__()
        self._schedule = temperature
        self.temperature = temperature(0.0)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Every option, with its part of softmax((log p + G) / temperature)."""
        every = tuple(range(len(decision.options)))
        return Gate(every, None if alpha is None else self.sample(alpha)[: len(every)])

    def sample(self, alpha: Tensor) -> Tensor:
        """A point of the simplex, one value per entry of the row, with a gradient to all of them."""
        perturbed = alpha.log_softmax(dim=0) + gumbel_noise(alpha, self.generator)
        return (perturbed / self.temperature).softmax(dim=0)

    def anneal(self, progress: float) -> None:
        """Follow the schedule."""
        self.temperature = self._schedule(progress)


def gumbel_noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise of the shape, type and device of `like`, drawn on the CPU."""
    waiting = torch.empty(like.shape).exponential_(generator=generator)
    return waiting.clamp(min=torch.finfo(waiting.dtype).tiny).log().neg().to(like)
