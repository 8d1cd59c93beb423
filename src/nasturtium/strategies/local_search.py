"""Local search: from neighbour to better neighbour (White et al. 2021, https://arxiv.org/abs/2005.02960)."""

from collections.abc import Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.snapshots import Snapshots
from nasturtium.strategies.unseen import Unseen
from nasturtium.strategies.variation import around

MOST = 1000  # neighbours that are all tried; of more, as many random mutations are


@STRATEGIES.register(
    "local-search",
    summary="try all neighbours, move to the best; start again where none is better",
    paper="https://arxiv.org/abs/2005.02960",
)
class LocalSearch(Snapshots):
    """Starts at the best of `initial` random architectures, tries all its neighbours (see
    `SearchSpace.neighbors`) in random order, and moves to the best of them as long as that is better. Where
    none is, it starts again.

    Architectures are compared by the limits first, then by their losses; failed trials count as never better.
    No architecture comes twice: what is known of a neighbour is used. A neighbourhood has to be told
    completely before the next one begins, so several workers wait for its last trial. The search ends when no
    new start is found.
    """

    changing = ("_rng", "_unseen", "_known", "_here", "_around", "_queue", "_running")

    def __init__(self, problem: Problem, *, seed: int = 0, initial: int = 10) -> None:
        super().__init__(problem, seed=seed)
        if initial < 1:
            raise UsageError(f"local search starts from at least 1 random architecture, not {initial}")
        self._initial = initial
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._known: dict[str, Trial] = {}  # those that did not fail, by the digest of their architecture
        self._here: Trial | None = None
        self._around: list[str] = []  # the digests of what is tried: neighbours of `here`, or starts
        self._queue: list[Architecture] = []  # those of them that were not asked for yet, the next one last
        self._running = 0

    def ask(self, n: int) -> list[Proposal]:
        """The rest of this neighbourhood, at most `n`; none while its results are not all in."""
        while not self._queue and not self._running and self._move():
            pass
        taken = [self._queue.pop() for _ in range(min(n, len(self._queue)))]
        self._running += len(taken)
        return [Proposal(arch) for arch in taken]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results of this neighbourhood, in any order."""
        self._running -= len(trials)
        self._known |= {t.proposal.arch.digest: t for t in trials if t.status != "failed"}

    def _move(self) -> bool:
        """Go to the best of what was tried if it is better, else to nowhere; whether there is more to try."""
        told = [self._known[digest] for digest in self._around if digest in self._known]
        best = min(told, key=lambda trial: (trial.rank, trial.id), default=None)
        better = best is not None and (self._here is None or best.rank < self._here.rank)
        self._here = best if better else None
        if self._here is None:
            new = near = self._starts()
        else:
            near = around(self.problem.space, self._here.proposal.arch, self._rng, MOST)
            new = [arch for arch in near if self._unseen.take(arch)]
        self._around = [arch.digest for arch in near]
        self._queue = [new[i] for i in self._rng.permutation(len(new))]
        return bool(near)

    def _starts(self) -> list[Architecture]:
        drawn = (self._unseen.draw(self._sample) for _ in range(self._initial))
        return [arch for arch in drawn if arch is not None]

    def _sample(self) -> Architecture:
        return self.problem.space.sample(self._rng)
