"""PASHA, progressive ASHA (Bohdal et al. 2023, https://arxiv.org/abs/2207.06940)."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Trial
from nasturtium.strategies.asha import ASHA
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.rungs import ETA, rung_of

PERCENTILE = 90  # of the differences between architectures that change places more than once


@STRATEGIES.register(
    "pasha",
    summary="asha that trains longer only while longer trainings change the order",
    paper="https://arxiv.org/abs/2207.06940",
    abilities=["fidelities"],
)
class PASHA(ASHA):
    """ASHA on the lowest two rungs. Whenever a result on the highest rung in use shows that the architectures
    there are ranked otherwise than they were on the rung below, one more rung is used.

    The ranking is soft: who is i-th on the higher rung must have had, on the lower one, a loss within
    `epsilon` of that of the i-th there. By default `epsilon` is measured: it is the 90th percentile of the
    differences of all pairs on the highest rung that changed places and back while they were trained, which
    only noise explains; 0 as long as there is no such pair, or no trial tells its curve. The first objective
    is what is ranked. With fewer than three fidelities it is ASHA. Raises `UsageError` for `eta` < 2 and
    `epsilon` < 0.
    """

    def __init__(
        self, problem: Problem, *, seed: int = 0, eta: int = ETA, epsilon: float | None = None
    ) -> None:
        super().__init__(problem, seed=seed, eta=eta)
        if epsilon is not None and epsilon < 0:
            raise UsageError(
                f"epsilon is a difference of losses that means nothing: 0 or more, not {epsilon}"
            )
        self._epsilon = epsilon
        self._top = min(1, len(problem.fidelities) - 1)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join their rungs, in any order; after one on the highest a rung may be added."""
        for trial in trials:
            super().tell([trial])
            highest = rung_of(trial.proposal, self.problem) == self._top
            if highest and self._top < len(self.problem.fidelities) - 1 and self._is_unstable():
                self._top += 1

    def _is_unstable(self) -> bool:
        above = [trial for trial in self._rungs[self._top] if trial.status == "ok"]
        below = {trial.id: trial for trial in self._rungs[self._top - 1]}
        before = [below[t.proposal.parent].losses[0] for t in above if t.proposal.parent is not None]
        epsilon = self._noise(above) if self._epsilon is None else self._epsilon
        return not same_ranking([trial.losses[0] for trial in above], before, epsilon)

    def _noise(self, trials: Sequence[Trial]) -> float:
        metric = self.problem.objectives[0].metric
        curves = [[p[metric] for p in t.measurement.curve if metric in p] for t in trials]
        return noise([np.array(curve) for curve in curves if curve])


def same_ranking(above: Sequence[float], below: Sequence[float], epsilon: float) -> bool:
    """Whether architectures with the losses `above` on one rung, `below` on the one below it, have the same
    ranking on both, where losses that differ by at most `epsilon` on the lower one may be exchanged.
    """
    ranked = sorted(below)
    order = np.argsort(above, kind="stable").tolist()
    return all(abs(below[i] - ranked[place]) <= epsilon for place, i in enumerate(order))


def noise(curves: Sequence[np.ndarray]) -> float:
    """The 90th percentile of the last differences of all pairs of curves, of the same length, that cross at
    least twice; 0 without such a pair.
    """
    found = []
    for one, other in combinations(curves, 2):
        if len(one) != len(other):
            continue
        order = np.sign(one - other)
        apart = np.flatnonzero(order == -order[-1])
        if order[-1] and len(apart) and (order[: apart[-1]] == order[-1]).any():
            found.append(abs(one[-1] - other[-1]))
    return float(np.percentile(found, PERCENTILE)) if found else 0.0
