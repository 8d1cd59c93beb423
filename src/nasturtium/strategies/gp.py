"""Bayesian optimisation with a Gaussian process over architectures (Jones et al. 1998,
https://doi.org/10.1023/A:1008306431147; of cells as graphs, Ru et al. 2021, https://arxiv.org/abs/2006.07556).
"""

import heapq
import importlib.util
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES, refuse_endless
from nasturtium.strategies.nsga2 import best_first
from nasturtium.strategies.scores import scores
from nasturtium.strategies.unseen import Unseen

if TYPE_CHECKING:
    from nasturtium.strategies.learned.surrogate import Promise

PARENTS = 5  # the best so far, around which candidates are looked for
BEYOND = 0.1  # how far the hypervolume's reference point is below the worst scores


@STRATEGIES.register(
    "gp",
    summary="a Gaussian process over architectures says where improvement is expected",
    paper="https://doi.org/10.1023/A:1008306431147",
)
class GaussianProcessSearch(Strategy):
    """Proposes the architecture with the largest expected improvement (see `Acquisition`) under a Gaussian
    process of what is known (see `ArchitectureKernel`), of the hypervolume where there are several
    objectives. Trials that run count as results that are not known yet, so it never waits.

    Random architectures come first, until `initial` results are in. Then the best of `candidates` is looked
    for, most of which differ in one decision from one of the five best so far, the others being random; from
    there a local search goes on to better mutations. The process sees scores, not losses (see `scores`): who
    is over a limit scores below all that are not, the lower the further. Its parameters are fitted again each
    time there are 1.4 times as many results. Failed trials teach nothing. No architecture comes twice, and
    the search ends when no new one is found.

    Raises `UsageError` without BoTorch, for senseless numbers and for a space without a list of decisions.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, initial: int = 20, candidates: int = 50) -> None:
        super().__init__(problem, seed=seed)
        if initial < 2 or candidates < PARENTS:
            raise UsageError(
                f"gp takes 2 or more initial architectures and {PARENTS} or more candidates, not"
                f" {initial} and {candidates}"
            )
        refuse_endless("gp", problem.space)
        if importlib.util.find_spec("botorch") is None:
            raise UsageError("gp needs BoTorch: pip install 'nasturtium[botorch]'")
        from nasturtium.strategies.learned.surrogate import Surrogate  # here: it takes seconds

        self._rng = np.random.default_rng(seed)
        self._initial, self._candidates = initial, candidates
        self._unseen = Unseen()
        self._running: dict[int, Architecture] = {}  # by trial
        self._known: list[Trial] = []  # those that did not fail
        self._learned = 0  # of these, how many the surrogate has seen
        self._count = 0
        self._surrogate = Surrogate(problem.space, len(problem.objectives), self._rng)

    def ask(self, n: int) -> list[Proposal]:
        """`n` architectures one after the other, each knowing of those before; fewer only at the end."""
        proposals = []
        for _ in range(n):
            arch = self._next()
            if arch is None:
                break
            self._running[self._count] = arch
            self._count += 1
            proposals.append(Proposal(arch))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join what the process knows."""
        for trial in trials:
            del self._running[trial.id]
            if trial.status != "failed":
                self._known.append(trial)

    def _next(self) -> Architecture | None:
        if len(self._known) >= self._initial:
            best = self._climb(self._promise())
            if best is not None and self._unseen.take(best):
                return best
        return self._unseen.draw(self._sample)

    def _promise(self) -> "Promise":
        """What the process, once it knows all results, expects of architectures."""
        values = scores(self._known, len(self.problem.objectives))
        new = self._known[self._learned :]
        if new:
            self._surrogate.learn([trial.proposal.arch for trial in new], values)
            self._learned = len(self._known)
        within = [trial.status == "ok" for trial in self._known]
        reference = values[within if any(within) else slice(None)].min(axis=0) - BEYOND
        seed = int(self._rng.integers(2**31))
        return self._surrogate.acquisition([*self._running.values()], reference, seed=seed)

    def _climb(self, promise: "Promise") -> Architecture | None:
        """The end of a local search for the largest promise, None if nothing new was met."""
        mutate, parents = self.problem.space.mutate, self._parents()
        near = self._candidates * 2 // 3
        met = [mutate(parents[i % len(parents)], self._rng) for i in range(near)]
        new = self._new([*met, *(self._sample() for _ in range(self._candidates - near))])
        best, most = None, -math.inf
        while new:
            found = promise(new)
            at = int(found.argmax())
            if best is not None and found[at] <= most:
                break
            best, most = new[at], float(found[at])
            new = self._new([mutate(best, self._rng) for _ in range(self._candidates // 2)])
        return best

    def _parents(self) -> list[Architecture]:
        if len(self.problem.objectives) > 1:
            best = [self._known[i] for i in best_first(self._known)[:PARENTS]]
        else:
            best = heapq.nsmallest(PARENTS, self._known, key=lambda trial: trial.rank)
        return [trial.proposal.arch for trial in best]

    def _new(self, archs: Sequence[Architecture]) -> list[Architecture]:
        return [arch for arch in dict.fromkeys(archs) if arch not in self._unseen]

    def _sample(self) -> Architecture:
        return self.problem.space.sample(self._rng)
