"""The largest and the smallest path of a supernet, and the training that holds on to both."""

from collections import Counter
from collections.abc import Callable

import numpy as np

from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.choice import Choice
from nasturtium.modules.walk import both
from nasturtium.oneshot.paths import PathSampler
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.space.search_space import SearchSpace

MIDDLE = 2  # random paths between the extremes, as published
TRIES = 1000  # random paths among which an extreme is looked for that constraints allow

Held = Callable[[str, Option], float]
"""How much an option of a decision holds."""


def extremes(supernet: Supernet, space: SearchSpace) -> tuple[Architecture, Architecture]:
    """The largest and the smallest path in `space`, a part of the supernet's.

    The largest takes the last option of each ordered decision, and of others the option (or the k) whose
    candidates hold most parameters in the supernet, the first among equals; the smallest likewise. Where
    constraints forbid that, it is the random path (of 1,000) that comes closest, decision by decision.
    """
    parameters = _parameters(supernet)

    def held(name: str, option: Option) -> float:
        decision = space.decisions[name]
        return decision.options.index(option) if decision.ordered else parameters[name, option]

    return _extreme(space, held), _extreme(space, lambda name, option: -held(name, option))


def _parameters(supernet: Supernet) -> Counter[tuple[str, Option]]:
    """The parameters of all candidates under each option."""
    found: Counter[tuple[str, Option]] = Counter()
    for choice in (m for m in supernet.net.modules() if isinstance(m, Choice)):
        for under, child in choice.branches():
            for when in both(frozenset(), under):
                for option in when.options:
                    found[when.decision, option] += count_parameters(child)
    return found


def _extreme(space: SearchSpace, held: Held) -> Architecture:
    wish = {name: _most(decision, held) for name, decision in space.decisions.items()}
    rng = np.random.default_rng(0)
    found = space.complete(wish, rng)
    if all(wish[name] == value for name, value in found.items()):
        return found
    drawn = (space.sample(rng) for _ in range(TRIES))
    return max(drawn, key=lambda arch: sum(wish[name] == value for name, value in arch.items()))


def _most(decision: Decision, held: Held) -> Value:
    by_size = sorted(decision.options, key=lambda option: -held(decision.name, option))
    chosen = tuple(option for option in decision.options if option in by_size[: decision.k])
    return chosen if decision.many else chosen[0]


class SandwichPaths(PathSampler):
    """The largest path, the smallest and two random ones for each update: the sandwich rule (Yu & Huang 2019,
    https://arxiv.org/abs/1903.05134), by which BigNAS trains (Yu et al. 2020,
    https://arxiv.org/abs/2003.11142).
    """

    def __init__(self, supernet: Supernet, space: SearchSpace) -> None:
        self._space = space
        self._largest, self._smallest = extremes(supernet, space)

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """The largest comes first, so that it can teach the others."""
        return [self._largest, self._smallest, *(self._space.sample(rng) for _ in range(MIDDLE))]
