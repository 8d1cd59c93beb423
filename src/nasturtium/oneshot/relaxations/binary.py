"""Binary gates on two sampled paths.

ProxylessNAS (Cai et al. 2019, https://arxiv.org/abs/1812.00332), section 3.2: weights are trained on one
sampled path. For an architecture update two options are drawn from p without replacement and turned into a
choice between the two: one gate is 1, the other 0, by their renormalised probabilities. With p renormalised,
∂L/∂αᵢ = Σⱼ ∂L/∂gⱼ pⱼ(δᵢⱼ − pᵢ) over the two, and after the step both are shifted so that the probabilities
of all other options stay as they were. The option whose gate is 0 is idle: it costs the memory of its output
only, and derivatives of higher order are not those of the two gates.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.gumbel import gumbel_noise
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.space.decision import Decision


class Binary(Softmax):
    """One option of one-of-n decisions, or two of which one counts; all options of k-of-n decisions,
    unweighted.
    """

    null = False

    def __init__(self) -> None:
        super().__init__()
        self._drawn: dict[str, tuple[list[int], Tensor]] = {}  # pairs, and rows before the step

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """Two sampled options with weights 0 and 1; one without a weight where only the weights learn."""
        if alpha is None or len(alpha) == 1:
            return Gate(tuple(range(len(decision.options))))
        order = (alpha.detach() + gumbel_noise(alpha, self.generator)).argsort(descending=True)
        if not (alpha.requires_grad and torch.is_grad_enabled()):
            return Gate((int(order[0]),))
        pair = order[:2].tolist()  # the largest of α + G are draws without replacement
        self._drawn[decision.name] = (pair, alpha.detach().clone())
        weight = self._gates(alpha[pair])
        idle = frozenset(option for option, gate in zip(pair, weight.tolist(), strict=True) if gate == 0)
        return Gate(tuple(pair), weight, idle)

    def _gates(self, pair: Tensor) -> Tensor:
        p = pair.softmax(dim=0)
        # which of the two was drawn first says nothing about p, so that it is drawn anew
        chosen = (pair.detach() + gumbel_noise(pair, self.generator)).argmax()
        hard = torch.zeros_like(p).index_fill(0, chosen, 1.0)
        return hard + (p - p.detach())  # the softmax's derivative is the paper's

    def settle(self, alphas: Mapping[str, Tensor]) -> None:
        """Keep the probabilities of the options that were not sampled."""
        with torch.no_grad():
            for name, (pair, before) in self._drawn.items():
                moved = alphas[name][pair]
                shift = before[pair].logsumexp(dim=0) - moved.logsumexp(dim=0)
                alphas[name].copy_(before)
                alphas[name][pair] = moved + shift
        self._drawn.clear()
