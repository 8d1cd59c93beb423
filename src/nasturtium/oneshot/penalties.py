"""What is added to the loss of the architecture, or multiplied with it, to make some architectures better."""

from torch import Tensor

from nasturtium.hardware.cost_table import CostTable
from nasturtium.oneshot.supernet import Supernet

LOGARITHM_UNIT = {"flops": 1.0, "params": 1.0, "latency_ms": 1e-3}
"""Logarithms want numbers well over one, so that latencies count in microseconds."""


class AddedCost:
    """loss + weight · E[cost] / reference (Cai et al. 2019, https://arxiv.org/abs/1812.00332).

    The reference is what an architecture costs on average before the search, so that the weight has no unit.
    """

    def __init__(self, table: CostTable, weight: float) -> None:
        self._table = table
        self._weight = weight / table.expected({}).item()

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss with the expected cost of what the supernet's parameters stand for now."""
        return loss + self._weight * self._table.expected(supernet.probabilities())


class MultipliedCost:
    """loss · scale · ln(E[cost])^exponent (Wu et al. 2019, https://arxiv.org/abs/1812.03443)."""

    def __init__(self, table: CostTable, exponent: float, *, scale: float = 0.2) -> None:
        self._table = table
        self._exponent = exponent
        self._scale = scale

    def __call__(self, loss: Tensor, supernet: Supernet, progress: float) -> Tensor:
        """The loss, larger the more is expected of what the supernet's parameters stand for now."""
        cost = self._table.expected(supernet.probabilities()) / LOGARITHM_UNIT[self._table.metric]
        return loss * self._scale * cost.log() ** self._exponent
