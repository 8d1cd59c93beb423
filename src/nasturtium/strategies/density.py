"""A density over the architectures of a space, estimated from some of them by kernels."""

import math
from bisect import bisect
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value, members
from nasturtium.space.search_space import SearchSpace


class Density:
    """The mean of a kernel around each of `archs`.

    A kernel is the product, over the decisions that are active, of probabilities of values that fall with
    `width`^distance from its centre's value: 0 or 1 for options without an order (Aitchison & Aitken 1976,
    https://doi.org/10.1093/biomet/63.3.413), steps between ordered ones (Wang & van Ryzin 1981,
    https://doi.org/10.1093/biomet/68.1.301), members exchanged of k of n. All values are alike where the
    centre's decision is switched off. `width` lies between 0 and 1.
    """

    def __init__(self, space: SearchSpace, archs: Sequence[Architecture], width: float) -> None:
        self._space, self._archs, self._width = space, list(archs), width
        self._centres = space.encode(self._archs)

    def log(self, archs: Sequence[Architecture]) -> np.ndarray:
        """The logarithm of the density at each of `archs`, where constraints are left out of account."""
        kernels, here, at = np.zeros((len(archs), len(self._archs))), self._space.encode(archs), 0
        for decision in self._space.decisions.values():
            columns = slice(at, at := at + len(decision.options))
            kernels += self._log_kernel(decision, here[:, columns], self._centres[:, columns])
        highest = kernels.max(axis=1, keepdims=True)
        density: np.ndarray = np.log(np.exp(kernels - highest).mean(axis=1)) + highest[:, 0]
        return density

    def _log_kernel(self, decision: Decision, here: np.ndarray, centres: np.ndarray) -> np.ndarray:
        """log P(value | centre), here × centres, both as rows that mark the options which are held."""
        if _in_steps(decision):
            at = centres.argmax(axis=1)
            distances = np.abs(here.argmax(axis=1)[:, None] - at)
            sums = np.array([sum(masses(decision, o, self._width)) for o in decision.options])[at]
        else:
            distances = decision.k - here @ centres.T
            sums = np.full(len(centres), sum(masses(decision, decision.options[0], self._width)))
        logs: np.ndarray = distances * math.log(self._width) - np.log(sums)
        logs[:, ~centres.any(axis=1)] = -math.log(decision.count())
        logs[~here.any(axis=1)] = 0.0
        return logs

    def sample(self, rng: np.random.Generator) -> Architecture:
        """A valid architecture, drawn from the kernel around one of those that were given."""
        centre = self._archs[int(rng.integers(len(self._archs)))]
        chances = rng.random(len(centre)).tolist()
        wish = {
            name: self._drawn(self._space.decisions[name], value, chance, rng)
            for (name, value), chance in zip(centre.items(), chances, strict=True)
        }
        return self._space.complete(wish, rng)

    def _drawn(self, decision: Decision, centre: Value, chance: float, rng: np.random.Generator) -> Value:
        sums = list(accumulate(masses(decision, members(centre)[0], self._width)))
        at = min(bisect(sums, chance * sums[-1]), len(sums) - 1)
        if _in_steps(decision):
            return decision.options[at]
        if at == 0:
            return centre
        held = list(members(centre))
        others = [option for option in decision.options if option not in held]
        for i, j in zip(*(rng.choice(len(some), at, replace=False) for some in (held, others)), strict=True):
            held[i] = others[j]
        value = tuple(option for option in decision.options if option in held)
        return value if decision.many else value[0]


def _in_steps(decision: Decision) -> bool:
    return decision.ordered and not decision.many


@cache
def masses(decision: Decision, centre: object, width: float) -> tuple[float, ...]:
    """Of a kernel before it is scaled: at each option if these are ordered, else at each distance."""
    if _in_steps(decision):
        at = decision.options.index(centre)
        return tuple(width ** abs(i - at) for i in range(len(decision.options)))
    k, rest = decision.k, len(decision.options) - decision.k
    return tuple(math.comb(k, i) * math.comb(rest, i) * width**i for i in range(min(k, rest) + 1))
