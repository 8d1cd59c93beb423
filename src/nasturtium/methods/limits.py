"""Limits on the final network, which all that is searched, found and compared must keep."""

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.estimators.within_limits import WithinLimits
from nasturtium.hardware.sizes import Sizes, sizes_of
from nasturtium.methods.base import METHODS, Task, refused
from nasturtium.problem.objectives import Limit, violation
from nasturtium.problem.protocols import Estimator
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace

DRAWS = 30  # random architectures per one that is wanted
DESCENTS = 20  # ways down to smaller ones, where nearly all random architectures are too large
MISSES = 2  # descents that end over the limits, before these count as out of reach
PATIENCE = 40  # mutations in a row that lead no further down


def refuse_limits(method: str, limits: Sequence[Limit]) -> None:
    """Raise `CannotSearch` where a method can't keep limits."""
    if limits and "limits" not in METHODS.info(method).abilities:
        names = " and ".join(map(str, limits))
        reason = f"method {method!r} can't keep {names}: it never compares whole architectures"
        raise refused(method, reason, ["limits"])


def limited(estimator: Estimator, task: Task) -> Estimator:
    """`estimator`, asked only about architectures whose final network keeps the task's limits."""
    return WithinLimits(estimator, final_sizes(task), task.limits) if task.limits else estimator


def final_sizes(task: Task) -> Sizes:
    """Measures what is limited on the final network of an architecture."""
    shape = task.splits.train.input_shape
    return sizes_of(task.final, shape, [limit.metric for limit in task.limits])


def draw(
    space: SearchSpace,
    sizes: Sizes,
    limits: Sequence[Limit],
    rng: np.random.Generator,
    *,
    number: int,
    without: Sequence[Architecture] = (),
) -> list[Architecture]:
    """At most `number` different random architectures within the limits, none of those in `without`.

    Uniform over these as long as 30 draws for each that is wanted show enough. The others are reached from
    random architectures by random mutations that never enlarge the violation.
    """

    def over(arch: Architecture) -> float:
        return violation(limits, sizes(arch)) if limits else 0.0

    drawn = dict.fromkeys(space.sample(rng) for _ in range(DRAWS * number))
    found = list(islice((arch for arch in drawn if arch not in without and not over(arch)), number))
    misses = 0
    for _ in range(DESCENTS if limits else 0):
        if len(found) == number or misses == MISSES:
            break
        arch = descend(space, over, rng)
        misses += over(arch) > 0
        if not over(arch) and arch not in (*found, *without):
            found.append(arch)
    return found


def descend(
    space: SearchSpace, over: Callable[[Architecture], float], rng: np.random.Generator
) -> Architecture:
    """From a random architecture by mutations that never enlarge `over`, until it is 0 or stays as it is."""
    arch, stalled = space.sample(rng), 0
    while over(arch) > 0 and stalled < PATIENCE:
        after = min(space.mutate(arch, rng), arch, key=over)
        stalled = 0 if over(after) < over(arch) else stalled + 1
        arch = after
    return arch


def refuse_impossible(space: SearchSpace, sizes: Sizes, limits: Sequence[Limit]) -> None:
    """Raise `UsageError`, with the smallest values met, where not even three architectures are found that
    keep the limits: the found one needs two rivals.
    """
    met: list[dict[str, float]] = []

    def noted(arch: Architecture) -> dict[str, float]:
        met.append(sizes(arch))
        return met[-1]

    if limits and len(draw(space, noted, limits, np.random.default_rng(0), number=3)) < 3:
        least = ", ".join(f"{m} {min(sizes[m] for sizes in met):,.10g}" for m in met[0])
        raise UsageError(
            f"hardly any architecture of this space meets {' and '.join(map(str, limits))}; the smallest"
            f" values met were {least}. Raise the limits, or make the final network smaller (--final-net)"
        )
