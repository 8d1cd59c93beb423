"""The search that is used where no other is asked for: Bayesian optimisation (Jones et al. 1998,
https://doi.org/10.1023/A:1008306431147) on what cells compute.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES, refuse_endless
from nasturtium.strategies.candidates import Candidates
from nasturtium.strategies.features import Features
from nasturtium.strategies.scores import scores
from nasturtium.strategies.unseen import Unseen

GROWTH = 1.5  # of the number of proposals, after which prior and candidates are chosen anew
PARENTS = 5  # the best results, near which candidates are drawn
CHILDREN = 20  # of each
CLIMBS = 2  # steps of the local search for the largest expected improvement
TRIED = 10  # candidates of each step
SUM = 0.05  # weight of the weighted sum of objectives beside the largest one, as in ParEGO


@STRATEGIES.register(
    "auto",
    summary="the largest expected improvement by a Gaussian process on what cells compute",
    paper="https://doi.org/10.1023/A:1008306431147",
)
class Auto(Strategy):
    """`first` random architectures; from then on the one whose expected improvement is largest, by a Gaussian
    process that has learned from all results.

    The process compares architectures by features of their cells as graphs or, where these explain the
    results less well (or there are no cells), by their decisions; and by the problem's hints, if there are
    any and they help. The evidence decides, each time that there are half as many proposals again.

    Results count by their ranks (see `scores`): those over limits as worse than all within, failed ones as
    the worst. Several objectives are weighted anew for each proposal (ParEGO, Knowles 2006,
    https://doi.org/10.1109/TEVC.2005.851274). It never waits: what still runs is taken to bring what is
    expected of it. No two proposals compute the same; the search ends when nothing new is found.

    Candidates are all architectures of a space of up to `candidates`; of a larger one so many random ones,
    and mutations of the best results and of the most promising candidates.

    Raises `UsageError` for numbers below one and for a space without end.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, first: int = 8, candidates: int = 500) -> None:
        super().__init__(problem, seed=seed)
        refuse_endless("auto", problem.space)
        if first < 1 or candidates < 1:
            raise UsageError(
                f"auto begins with 1 or more architectures and has 1 or more candidates, not {first} and"
                f" {candidates}"
            )
        self._first, self._size = first, candidates
        self._rng = np.random.default_rng(seed)
        self._features = Features(problem, self._rng)
        self._unseen = Unseen(problem.space.canonical)
        self._whole = problem.space.has_at_most(candidates)
        self._asked: list[Architecture] = []
        self._losses: list[float] = []  # of each, as it was expected
        self._told: dict[int, Trial] = {}
        self._candidates: Candidates | None = None

    def ask(self, n: int) -> list[Proposal]:
        """The most promising one, then the next, given that one."""
        proposals: list[Proposal] = []
        while len(proposals) < n and (arch := self._next()) is not None:
            proposals.append(Proposal(arch))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results, in any order; near a new best one there are new candidates."""
        for trial in trials:
            self._told[trial.id] = trial
            leads = self._best(1) == [trial.proposal.arch]
            if leads and self._candidates is not None:
                self._candidates.consider(self._children([trial.proposal.arch], CHILDREN))

    def _next(self) -> Architecture | None:
        learned = len(self._asked) >= self._first and self._told
        arch, loss = self._promising() if learned else (None, 0.0)
        if arch is None:
            arch = self._unseen.draw(lambda: self.problem.space.sample(self._rng))
        if arch is not None:
            self._asked.append(arch)
            self._losses.append(loss)
            if self._candidates is not None:
                self._candidates.observe(arch)
        return arch

    def _promising(self) -> tuple[Architecture | None, float]:
        """A new candidate, and the loss that is expected of it."""
        losses = self._all_losses()
        candidates = self._candidates
        if candidates is None or len(self._asked) >= GROWTH * candidates.began:
            candidates = self._candidates = Candidates(self._features, self._asked, losses)
            candidates.consider(self._drawn())
        best = float(losses[list(self._told)].min())
        for _ in range(0 if self._whole else CLIMBS):
            top, _ = candidates.by_promise(losses, best)[0]
            candidates.consider(self._children([top], TRIED))
        found = candidates.by_promise(losses, best)
        return next((pair for pair in found if self._unseen.take(pair[0])), (None, 0.0))

    def _all_losses(self) -> np.ndarray:
        """Of all that was asked for, as scores with a mean near zero; several objectives as one."""
        told = [
            replace(trial, violation=math.inf) if trial.status == "failed" else trial
            for trial in self._told.values()
        ]
        objectives = len(self.problem.objectives)
        weighted = -scores(told, objectives) * self._rng.dirichlet(np.ones(objectives))
        above = weighted - weighted.min(axis=0)
        single = above.max(axis=1) + SUM * above.sum(axis=1)
        losses = np.array(self._losses)
        losses[list(self._told)] = single - single.mean()
        return losses

    def _drawn(self) -> list[Architecture]:
        space = self.problem.space
        if self._whole:
            return list(space.enumerate())
        strangers = [space.sample(self._rng) for _ in range(self._size)]
        return strangers + self._children(self._best(PARENTS), CHILDREN)

    def _best(self, n: int) -> list[Architecture]:
        """Of the `n` best results, the best first; failed ones are none."""
        told = [trial for trial in self._told.values() if trial.status != "failed"]
        return [trial.proposal.arch for trial in sorted(told, key=lambda trial: (trial.rank, trial.id))[:n]]

    def _children(self, parents: Sequence[Architecture], each: int) -> list[Architecture]:
        return [self.problem.space.mutate(parent, self._rng) for parent in parents for _ in range(each)]
