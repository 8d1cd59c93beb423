"""Architectures as points of the unit cube, for methods that move in it."""

from collections.abc import Mapping

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import refuse_endless


class Cube:
    """One coordinate for each decision, from 0 to 1, of which each of its values has an equal part, in order.

    Raises `UsageError` for a space without a list of decisions.
    """

    def __init__(self, space: SearchSpace) -> None:
        refuse_endless("a cube", space)
        self._space = space
        self._values: list[tuple[Value, ...]] = [tuple(d.values()) for d in space.decisions.values()]
        self._at = [{value: i for i, value in enumerate(values)} for values in self._values]

    @property
    def dimensions(self) -> int:
        """How many coordinates there are."""
        return len(self._values)

    def architecture(self, point: np.ndarray, rng: np.random.Generator) -> Architecture:
        """What a point says; where constraints forbid that, an architecture near or far that is valid."""
        return self._space.complete(self._wish(point), rng)

    def _wish(self, point: np.ndarray) -> dict[str, Value]:
        parts = zip(self._space.decisions, self._values, point.tolist(), strict=True)
        return {name: values[min(int(x * len(values)), len(values) - 1)] for name, values, x in parts}

    def point(self, arch: Mapping[str, Value], near: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A point that says `arch`: that of `near`, but for the coordinates that say something else."""
        point, said = near.copy(), self._wish(near)
        for i, name in enumerate(self._space.decisions):
            if name in arch and said[name] != arch[name]:
                point[i] = (self._at[i][arch[name]] + rng.random()) / len(self._values[i])
        return point
