"""One reward from several figures of a trial, for strategies that maximise a single number."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import measured

Reward = Callable[[Mapping[str, float]], float]
"""What a trial's metrics are worth; more is better."""

SOFT = (-0.07, -0.07)
HARD = (0.0, -1.0)


@dataclass(frozen=True)
class WeightedProduct:
    """MnasNet's value · (cost / target)^w (Tan et al. 2019, https://arxiv.org/abs/1807.11626, equations 2–3).

    `value` names a metric of which more is better, such as the accuracy, `cost` one of which less is, such as
    the latency, in the unit of `target`. `exponents` are w where the cost is within the target, and w beyond
    it: `SOFT` (the default) trades 5 % of accuracy for half the cost anywhere; `HARD` gives nothing for a
    cost below the target and punishes what is above it.

    Raises `UsageError` for senseless numbers, when called also for metrics that were not measured, for a
    negative value and for a cost of 0 or less.
    """

    value: str
    cost: str
    target: float
    exponents: tuple[float, float] = SOFT

    def __post_init__(self) -> None:
        if not self.target > 0:
            raise UsageError(f"the target of {self.cost!r} is a number above 0, not {self.target}")
        if max(self.exponents) > 0:
            raise UsageError(f"exponents are 0 or less, as more cost earns no more; got {self.exponents}")

    def __call__(self, metrics: Mapping[str, float]) -> float:
        """The reward of a trial with these metrics."""
        value, cost = measured(self.value, metrics), measured(self.cost, metrics)
        if value < 0 or cost <= 0:
            raise UsageError(
                f"a weighted product needs a value of 0 or more and a cost above 0, but {self.value!r} is"
                f" {value} and {self.cost!r} is {cost}"
            )
        share = cost / self.target
        within, beyond = self.exponents
        return float(value * share ** (within if share <= 1 else beyond))
