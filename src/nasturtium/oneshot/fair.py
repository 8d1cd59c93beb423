"""Paths that train every option equally often: strict fairness (Chu et al. 2021,
https://arxiv.org/abs/1907.01845).
"""

import math
from typing import Any

import numpy as np

from nasturtium.oneshot.paths import PathSampler
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value, members
from nasturtium.space.search_space import SearchSpace

OTHERS = 8  # valid paths to choose from where constraints forbid the fairest one


class FairPaths(PathSampler):
    """As many paths for one update as it takes to train each option of each decision once.

    Every decision counts how often each of its options was trained, and a path takes the options that are
    behind, at random among equals. So where all decisions are always active and have m options each, an
    update is m paths made of one random permutation per decision: each candidate is trained exactly once. In
    general m is what the decision with most options (per option chosen) needs, and the counts of each
    decision differ by one at most, also where it chooses k options. A decision that is switched off in a path
    does not count there. Where constraints forbid the fairest path, the fairest of a few uniform ones is
    taken.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._number = max(math.ceil(len(d.options) / d.k) for d in space.decisions.values())
        self._counts = {name: np.zeros(len(d.options), int) for name, d in space.decisions.items()}

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """One update's paths."""
        return [self._next(rng) for _ in range(self._number)]

    def _next(self, rng: np.random.Generator) -> Architecture:
        wish = {name: self._behind(decision, rng) for name, decision in self._space.decisions.items()}
        arch = self._space.complete(wish, rng)
        if any(wish[name] != value for name, value in arch.items()):
            arch = min((self._space.sample(rng) for _ in range(OTHERS)), key=self._ahead)
        for name, value in arch.items():
            self._counts[name][self._positions(name, value)] += 1
        return arch

    def _behind(self, decision: Decision, rng: np.random.Generator) -> Value:
        """The value whose options were trained least often."""
        ties = rng.random(len(decision.options))
        least = sorted(np.lexsort((ties, self._counts[decision.name]))[: decision.k].tolist())
        chosen = tuple(decision.options[i] for i in least)
        return chosen if decision.many else chosen[0]

    def _ahead(self, arch: Architecture) -> int:
        """How much more often the options of a path were trained than those that are furthest behind."""
        return sum(
            int(self._counts[name][i] - self._counts[name].min())
            for name, value in arch.items()
            for i in self._positions(name, value)
        )

    def _positions(self, name: str, value: Value) -> list[int]:
        options = self._space.decisions[name].options
        return [options.index(option) for option in members(value)]

    def state(self) -> dict[str, Any]:
        """How often each option was trained."""
        return {name: counts.tolist() for name, counts in self._counts.items()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting from there."""
        self._counts = {name: np.array(counts) for name, counts in state.items()}
