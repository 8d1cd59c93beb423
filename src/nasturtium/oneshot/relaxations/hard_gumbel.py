"""One sampled operation at a time, with the gradient of the soft sample.

GDAS (Dong & Yang 2019, https://arxiv.org/abs/1910.04465): a decision's operation is the largest of
log p + Gumbel noise, so that it is drawn from p. Only that one runs. The architecture gets the gradient of
the soft sample's weight of it, as if the weight of one had been that weight (straight-through).
"""

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.temperature import Schedule, linear
from nasturtium.space.decision import Decision

GDAS = linear(10.0, 0.1)
"""GDAS' temperature, the same on all data sets."""


class HardGumbel(Gumbel):
    """One option of one-of-n decisions, drawn for each decision and pass; all options of k-of-n decisions,
    unweighted.
    """

    null = False  # an edge's only operation must not be zero

    def __init__(self, temperature: Schedule = GDAS) -> None:
        super().__init__(temperature)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """The sampled option. Its weight is one; there is none where only the weights learn."""
        if alpha is None:
            return super().gate(decision, alpha)
        sample = self.sample(alpha)
        chosen = int(sample.argmax())
        if not (alpha.requires_grad and torch.is_grad_enabled()):
            return Gate((chosen,))
        soft = sample[chosen : chosen + 1]
        return Gate((chosen,), 1.0 + (soft - soft.detach()))  # exactly one, the bracket being zero
