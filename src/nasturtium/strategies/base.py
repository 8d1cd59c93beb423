"""The registry of black-box strategies: a new one is one new file in this room."""

from nasturtium.core.registry import Registry
from nasturtium.problem.protocols import Strategy

STRATEGIES: Registry[type[Strategy]] = Registry("strategies", "strategy")
"""Those with the ability `fidelities` begin below the full fidelity and continue some of their trials."""
