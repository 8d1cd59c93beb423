"""The registry of black-box strategies: a new one is one new file in this room."""

from nasturtium.core.errors import UsageError
from nasturtium.core.registry import Registry
from nasturtium.problem.protocols import Strategy
from nasturtium.space.search_space import SearchSpace

STRATEGIES: Registry[type[Strategy]] = Registry("strategies", "strategy")
"""Those with the ability `fidelities` begin below the full fidelity and continue some of their trials."""


def refuse_endless(who: str, space: SearchSpace) -> None:
    """Raise `UsageError` for a space without end, for what compares architectures decision by decision."""
    if space.unbounded:
        raise UsageError(
            f"{who} needs a list of decisions. This space has no largest network and so no list of them, as a"
            " space without end has not; use evolution or annealing"
        )
