"""A limit on what a search may spend: time, trials or epochs of training."""

import math
import re
from dataclasses import dataclass
from typing import Literal, Self

from nasturtium.core.errors import UsageError
from nasturtium.problem.records import Cost

Unit = Literal["seconds", "trials", "epochs"]

UNITS: dict[str, tuple[Unit, float]] = {
    "": ("seconds", 1),
    "s": ("seconds", 1),
    "m": ("seconds", 60),
    "h": ("seconds", 3600),
    "d": ("seconds", 86400),
    "trial": ("trials", 1),
    "trials": ("trials", 1),
    "epoch": ("epochs", 1),
    "epochs": ("epochs", 1),
}
FORMS = "'90s', '10m', '2h', '1d', '50 trials', '20 epochs' or a number of seconds"


@dataclass(frozen=True)
class Budget:
    """At most `amount` of `unit`. What is running when it is spent is finished, nothing new is begun."""

    amount: float
    unit: Unit

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and self.amount > 0):
            raise UsageError(f"a budget must be more than nothing, got {self.amount:g} {self.unit}")
        if self.unit == "trials" and self.amount != int(self.amount):
            raise UsageError(f"a budget counts whole trials, got {self.amount:g}")

    @classmethod
    def parse(cls, text: str | float) -> Self:
        """A budget from what a person writes; raises `UsageError` listing the forms.

        >>> Budget.parse("10m")
        Budget(amount=600.0, unit='seconds')
        """
        found = re.fullmatch(r"\s*(\d+|\d*\.\d+)\s*([a-z]*)\s*", str(text), re.ASCII | re.IGNORECASE)
        if found is None or found[2].lower() not in UNITS:
            raise UsageError(f"budget {text!r} is not understood: write {FORMS}")
        unit, factor = UNITS[found[2].lower()]
        return cls(float(found[1]) * factor, unit)

    def fraction(self, cost: Cost, trials: int) -> float:
        """How much of it `cost` and the number of `trials` begun have used; more than 1 if overdrawn."""
        used = {"seconds": cost.seconds, "trials": trials, "epochs": cost.epochs}[self.unit]
        return used / self.amount

    def spent_by(self, cost: Cost, trials: int) -> bool:
        """Whether nothing is left."""
        return self.fraction(cost, trials) >= 1
