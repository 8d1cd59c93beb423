"""A genetic algorithm (Holland 1975; of networks, Xie & Yuille 2017, https://arxiv.org/abs/1703.01513)."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Trial
from nasturtium.space.search_space import Crossover
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.generations import Generations

Selection = Literal["tournament", "roulette"]


@STRATEGIES.register(
    "genetic",
    summary="breed each generation from the fit of the last one; the best stay",
    paper="https://arxiv.org/abs/1703.01513",
)
class Genetic(Generations):
    """The children of a generation are the parents of the next, with the `elite` best of all before.

    A parent is chosen by `selection`: `tournament` takes the best of `rivals` random ones; `roulette` gives
    each a chance in proportion to how much its loss is below the largest of those within the limits, which
    gets none, nor do those over a limit (if there are no others, all have the same chance). Trials are
    compared by the limits first, then by their losses. `crossover` is a kind of `SearchSpace.crossover`. How
    children are made and told is as in `Generations`.

    Raises `UsageError` for senseless numbers, and for `roulette` with several objectives.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        population: int = 20,
        elite: int = 2,
        selection: Selection = "tournament",
        rivals: int = 3,
        crossover: Crossover = "uniform",
        crossing: float = 0.9,
    ) -> None:
        super().__init__(problem, seed=seed, population=population, crossing=crossing, crossover=crossover)
        if selection not in get_args(Selection):
            raise UsageError(f"selection is {' or '.join(get_args(Selection))}, not {selection!r}")
        if elite < 0 or rivals < 1:
            raise UsageError(f"elite is 0 or more and rivals 1 or more, not {elite} and {rivals}")
        if selection == "roulette" and len(problem.objectives) > 1:
            raise UsageError("roulette needs one objective; use tournament or nsga2 for several")
        self._elite, self._selection, self._rivals = elite, selection, rivals

    def survivors(self, parents: Sequence[Trial], children: Sequence[Trial]) -> list[Trial]:
        """All children, and the elite."""
        everyone = sorted([*parents, *children], key=lambda trial: (trial.rank, trial.id))
        best = everyone[: self._elite]
        return best + [child for child in children if child not in best]

    def parent(self, parents: Sequence[Trial]) -> Trial:
        """One by chance, the fitter the likelier."""
        if self._selection == "roulette":
            return parents[int(self._rng.choice(len(parents), p=chances(parents)))]
        drawn = self._rng.integers(len(parents), size=self._rivals)
        best: Trial = min((parents[i] for i in drawn.tolist()), key=lambda trial: trial.rank)
        return best


def chances(parents: Sequence[Trial]) -> np.ndarray:
    """The share of a roulette wheel that each parent has."""
    worst = max((trial.losses[0] for trial in parents if trial.status == "ok"), default=0.0)
    fitness = np.array([worst - t.losses[0] if t.status == "ok" else 0.0 for t in parents])
    if not fitness.any():
        return np.full(len(parents), 1 / len(parents))
    shares: np.ndarray = fitness / fitness.sum()
    return shares
