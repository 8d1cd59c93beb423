"""How the temperature of sampled gates falls over a search."""

from collections.abc import Callable

Schedule = Callable[[float], float]
"""The temperature, given the share of the search that is over."""


def linear(start: float, end: float) -> Schedule:
    """From `start` to `end` in equal steps."""
    return lambda progress: start + (end - start) * progress


def exponential(start: float, end: float) -> Schedule:
    """From `start` to `end` by equal factors."""
    return lambda progress: start * (end / start) ** progress
