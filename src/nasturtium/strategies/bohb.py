"""BOHB: Hyperband whose architectures come from a density model (Falkner et al. 2018,
https://arxiv.org/abs/1807.01774).
"""

from collections.abc import Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES, refuse_endless
from nasturtium.strategies.density import Density
from nasturtium.strategies.hyperband import Hyperband
from nasturtium.strategies.rungs import ETA, rung_of, standing
from nasturtium.strategies.unseen import Unseen

CANDIDATES = 64  # drawn for each new architecture, as in the paper


@STRATEGIES.register(
    "bohb",
    summary="hyperband that begins with what is likelier among good architectures than among bad ones",
    paper="https://arxiv.org/abs/1807.01774",
    abilities=["fidelities"],
)
class BOHB(Hyperband):
    """Hyperband's brackets; a new architecture is random with a chance of `random`, else that of 64 draws
    from the density of good architectures for which the ratio to the density of bad ones is the largest.

    Densities are of the results at the highest fidelity that has enough of them, two more than the N_min =
    number of decisions + 1 that each density is estimated from at least: good are the best share of
    `quantile`, bad the others (tree-structured Parzen estimators; the paper's numbers are the defaults). As
    long as there are not enough, all are random. The `width` of kernels (see `Density`) takes the place of
    bandwidths that are meant for real numbers.

    No architecture begins twice, and the search ends when no new one is found. With one fidelity it is
    optimisation with Parzen estimators alone. Failed trials, and those over a limit, are among the bad.
    Raises `UsageError` for senseless numbers, and for a space without a list of decisions.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        eta: int = ETA,
        quantile: float = 0.15,
        random: float = 1 / 3,
        width: float = 0.1,
    ) -> None:
        super().__init__(problem, seed=seed, eta=eta)
        refuse_endless("bohb", problem.space)
        if not 0 < quantile < 1:
            raise UsageError(f"the quantile of good architectures lies between 0 and 1, not at {quantile}")
        if not 0 <= random <= 1:
            raise UsageError(f"random is a chance from 0 to 1, not {random}")
        if not 0 < width < 1:
            raise UsageError(f"the width of kernels lies between 0 and 1, not at {width}")
        self._quantile, self._share, self._width = quantile, random, width
        self._least = len(problem.space.decisions) + 1  # architectures in a density
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._results: list[list[Trial]] = [[] for _ in problem.fidelities]

    def new(self) -> Architecture | None:
        """An architecture that did not begin before."""
        space, rng = self.problem.space, self._rng
        known = next((r for r in reversed(self._results) if len(r) >= self._least + 2), None)
        if known is not None and rng.random() >= self._share:
            good, bad = self._split(known)
            drawn = dict.fromkeys(good.sample(rng) for _ in range(CANDIDATES))
            for arch in sorted_by_ratio(list(drawn), good, bad):
                if self._unseen.take(arch):
                    return arch
        return self._unseen.draw(lambda: space.sample(rng))

    def _split(self, known: Sequence[Trial]) -> tuple[Density, Density]:
        """Densities of the good and of the bad."""
        archs = [trial.proposal.arch for trial in sorted(known, key=standing)]
        good = max(self._least, int(self._quantile * len(archs)))
        bad = max(self._least, len(archs) - good)
        space = self.problem.space
        return Density(space, archs[:good], self._width), Density(space, archs[-bad:], self._width)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results, in any order."""
        super().tell(trials)
        for trial in trials:
            self._results[rung_of(trial.proposal, self.problem)].append(trial)


def sorted_by_ratio(archs: Sequence[Architecture], good: Density, bad: Density) -> list[Architecture]:
    """The one that is likeliest among the good, compared with the bad, first."""
    return [archs[i] for i in np.argsort(bad.log(archs) - good.log(archs), kind="stable")]
