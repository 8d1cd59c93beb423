"""Simulated annealing (Kirkpatrick et al. 1983, https://doi.org/10.1126/science.220.4598.671)."""

import math
from collections.abc import Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.snapshots import Snapshots


@STRATEGIES.register(
    "annealing",
    summary="change one decision; go back from worse ones the more often the later",
    paper="https://doi.org/10.1126/science.220.4598.671",
)
class Annealing(Snapshots):
    """Every architecture differs in one decision from the one where the search stands: it moves to each
    result that is no worse, and to a worse one with the chance exp(−Δ/T), Δ being the difference of losses.

    The first `initial` architectures are random. The best of them is where the search begins, and the
    standard deviation of their losses is the unit of the temperature T, which falls from `hot` to `cold` of
    these by the same factor from trial to trial until `steps` trials are in, and stays there. From an
    architecture within the limits it never moves to one over them; of two over them that with the smaller
    violation wins. Failed trials move nothing. It never waits: with several workers a result is compared with
    where the search stands when it comes. An architecture may come again.

    Raises `UsageError` for senseless numbers, and for several objectives.
    """

    changing = ("_rng", "_here", "_first", "_told")

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 10,
        steps: int = 200,
        hot: float = 1.0,
        cold: float = 0.01,
    ) -> None:
        super().__init__(problem, seed=seed)
        if len(problem.objectives) > 1:
            raise UsageError("annealing minimises one loss; give it one objective, or use nsga2 for several")
        if not 1 <= initial <= steps:
            raise UsageError(f"annealing begins with 1 to steps ({steps}) random trials, not {initial}")
        if not 0 < cold <= hot:
            raise UsageError(f"annealing cools from hot to cold, both above 0, not from {hot} to {cold}")
        self._initial, self._steps, self._hot, self._cold = initial, steps, hot, cold
        self._rng = np.random.default_rng(seed)
        self._here: Trial | None = None
        self._first: list[float] = []  # losses of the random ones
        self._told = 0

    def ask(self, n: int) -> list[Proposal]:
        """`n` random architectures or neighbours."""
        space = self.problem.space
        if self._told < self._initial or self._here is None:
            return [Proposal(space.sample(self._rng)) for _ in range(n)]
        return [Proposal(space.mutate(self._here.proposal.arch, self._rng)) for _ in range(n)]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Move, or stay, at each result in turn."""
        for trial in trials:
            self._told += 1
            if trial.status == "ok" and self._told <= self._initial:
                self._first += trial.losses
            if trial.status != "failed" and self._accepts(trial):
                self._here = trial

    def _accepts(self, trial: Trial) -> bool:
        if self._here is None or trial.rank <= self._here.rank:
            return True
        if self._told <= self._initial or trial.violation > self._here.violation:
            return False
        return self._rng.random() < math.exp(-(trial.losses[0] - self._here.losses[0]) / self.temperature)

    @property
    def temperature(self) -> float:
        """In units of the loss."""
        left = max(self._steps - self._initial, 1)
        progress = min(max(self._told - self._initial, 0) / left, 1.0)
        unit = float(np.std(self._first)) if len(self._first) > 1 else 1.0
        return float(max(unit, 1e-12) * self._hot ** (1 - progress) * self._cold**progress)
