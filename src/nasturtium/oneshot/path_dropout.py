"""Path dropout: candidates of a mixture left out at random (Bender et al. 2018, "Understanding and
Simplifying One-Shot Architecture Search", https://proceedings.mlr.press/v80/bender18a.html).
"""

import torch

from nasturtium.modules.choice import Gate
from nasturtium.space.decision import Decision


class PathDropout:
    """A gate filter that drops each of the `k` entries of a gate with probability `progress` · r^(1/k), so
    that at the end all of them would go with probability `r`.

    One of them, any, then stays, so that a gate is never empty. Weights of the others are not scaled up: the
    BatchNorms behind see to that. `progress` goes from 0 to 1 in a search. Draws come from `generator`.
    """

    progress = 0.0

    def __init__(self, r: float, generator: torch.Generator) -> None:
        self._r = r
        self._generator = generator

    def __call__(self, decision: Decision, gate: Gate) -> Gate:
        """The gate with the entries that stay."""
        k = len(gate.index)
        if k < 2 or self.progress == 0.0:
            return gate
        dropped = torch.rand(k, generator=self._generator) < self.progress * self._r ** (1 / k)
        stay = (~dropped).nonzero().flatten().tolist()
        return gate.only(stay or [int(torch.randint(k, (), generator=self._generator))])
