"""What a search optimises: one named metric and the direction that is better."""

import math
from collections.abc import Mapping
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
        if self.metric not in metrics:
            raise UsageError(f"metric {self.metric!r} was not measured: {did_you_mean(self.metric, metrics)}")
        value = float(metrics[self.metric])
        if not math.isfinite(value):
            raise Diverged(f"metric {self.metric!r} is {value}")
        return value if self.goal == "min" else -value
