"""Structural constraints between decisions: what must hold besides each decision's own options."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from nasturtium.space.decision import Value


class Constraint(Protocol):
    """A rule over the decisions in `reads`; inactive ones are missing from the mapping it is shown."""

    @property
    def reads(self) -> frozenset[str]:
        """The names of the decisions that the rule looks at."""

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """Why `values` break the rule, or None."""


@dataclass(frozen=True)
class Rule:
    """A constraint from a function:

    `holds` is called with the values of the decisions in `reads` that are active.
    """

    reason: str
    reads: frozenset[str]
    holds: Callable[[Mapping[str, Value]], bool]

    def violation(self, values: Mapping[str, Value]) -> str | None:
        """The rule's reason with the values that broke it, or None."""
        seen = {name: values[name] for name in sorted(self.reads) if name in values}
        if self.holds(seen):
            return None
        return f"{self.reason} (got {', '.join(f'{name}={value}' for name, value in seen.items())})"
