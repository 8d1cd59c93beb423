"""What a search optimises, and what its answers must not exceed: named metrics and their directions."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from nasturtium.core.errors import Diverged, UsageError, did_you_mean

Goal = Literal["min", "max"]


@dataclass(frozen=True)
class Objective:
    """Minimise or maximise `metric`."""

    metric: str
    goal: Goal

    def __post_init__(self) -> None:
        if self.goal not in ("min", "max"):
            raise UsageError(f"objective {self.metric!r}: the goal is 'min' or 'max', not {self.goal!r}")

    def loss(self, metrics: Mapping[str, float]) -> float:
        """The metric as a number of which smaller is better.

        Raises `UsageError` if it was not measured, `Diverged` if it is infinite or not a number.
        """
        value = measured(self.metric, metrics)
        return value if self.goal == "min" else -value


@dataclass(frozen=True)
class Limit:
    """`metric` may be `most`, not more; a limited metric need not be optimised."""

    metric: str
    most: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.most) and self.most > 0):
            raise UsageError(f"limit {self.metric!r}: the most allowed is a number above 0, not {self.most}")

    def excess(self, metrics: Mapping[str, float]) -> float:
        """The share of the limit by which the metric exceeds it, 0 if it does not.

        Raises what `Objective.loss` raises.
        """
        return max(measured(self.metric, metrics) / self.most - 1, 0.0)

    def __str__(self) -> str:
        return f"{self.metric} ≤ {self.most:,.10g}"


def violation(limits: Iterable[Limit], metrics: Mapping[str, float]) -> float:
    """By how much `metrics` exceed the limits: the sum of their `excess`, 0 for a possible answer.

    Where a limit is exceeded, others need not have been measured. Raises what `Objective.loss` raises.
    """
    limits = tuple(limits)
    known = sum(limit.excess(metrics) for limit in limits if limit.metric in metrics)
    return known or sum(limit.excess(metrics) for limit in limits)


def measured(metric: str, metrics: Mapping[str, float]) -> float:
    """The value of a metric.

    Raises `UsageError` if it was not measured, `Diverged` if it is infinite or not a number.
    """
    if metric not in metrics:
        raise UsageError(f"metric {metric!r} was not measured: {did_you_mean(metric, metrics)}")
    value = float(metrics[metric])
    if not math.isfinite(value):
        raise Diverged(f"metric {metric!r} is {value}")
    return value
