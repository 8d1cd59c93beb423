"""Neural architecture optimisation (Luo et al. 2018, https://arxiv.org/abs/1808.07233)."""

from collections.abc import Sequence
from itertools import islice

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.scores import scores
from nasturtium.strategies.unseen import Unseen

LENGTHS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0)  # of steps uphill, until enough is new


@STRATEGIES.register(
    "nao",
    summary="go uphill from the best in a learned continuous space, and decode",
    paper="https://arxiv.org/abs/1808.07233",
)
class NAO(Strategy):
    """Encodes the best architectures as points, moves these by the gradient of their predicted worth, and
    proposes what is decoded there (see `Autoencoder`).

    Random architectures come first, until `initial` results are in. Then, for each `batch` of proposals,
    encoder, predictor and decoder are trained `steps` more steps on all that is known, and from the `parents`
    best the step uphill becomes longer until it leads to enough new architectures; what is decoded is made
    valid by `SearchSpace.complete`. Where even the longest steps don't, the rest are random. It never waits:
    a batch is made of the results of the moment. Worth is told in scores (see `scores`), so that who is over
    a limit is worse than all that are not. Failed trials teach nothing. No architecture comes twice, and the
    search ends when no new one is found. `trade` is how much the prediction weighs, the rest being for the
    decoder.

    Raises `UsageError` for several objectives, senseless numbers, and a space without a list of decisions.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 30,
        batch: int = 10,
        parents: int = 10,
        steps: int = 100,
        learning_rate: float = 0.01,
        trade: float = 0.8,
    ) -> None:
        super().__init__(problem, seed=seed)
        if len(problem.objectives) > 1:
            raise UsageError("nao predicts one worth: give it one objective, or use gp or nsga2 for several")
        if initial < 2 or min(batch, parents, steps) < 1 or not 0 < trade < 1:
            raise UsageError(
                "nao takes 2 or more initial architectures, 1 or more for batch, parents and steps, and a"
                f" trade between 0 and 1, not {initial}, {batch}, {parents}, {steps} and {trade}"
            )
        from nasturtium.strategies.learned.autoencoder import LatentSearch  # here: torch takes a second

        self._latent = LatentSearch(problem.space, seed=seed, learning_rate=learning_rate, trade=trade)
        self._initial, self._batch, self._parents, self._steps = initial, batch, parents, steps
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._known: list[Trial] = []  # those that did not fail
        self._queue: list[Architecture] = []  # the rest of this batch, the next one last

    def ask(self, n: int) -> list[Proposal]:
        """`n` architectures; fewer only at the end."""
        next_ones = (self._next() for _ in range(n))
        return [Proposal(arch) for arch in next_ones if arch is not None]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results are learned from when the next batch is made."""
        self._known += [trial for trial in trials if trial.status != "failed"]

    def _next(self) -> Architecture | None:
        if not self._queue and len(self._known) >= self._initial:
            self._queue = self._better()[::-1]
        return self._queue.pop() if self._queue else self._stranger()

    def _stranger(self) -> Architecture | None:
        return self._unseen.draw(lambda: self.problem.space.sample(self._rng))

    def _better(self) -> list[Architecture]:
        """A batch of new architectures; fewer only at the end of the space."""
        worth = scores(self._known, 1)[:, 0]
        archs = [trial.proposal.arch for trial in self._known]
        self._latent.learn(archs, worth, steps=self._steps)
        best = [archs[i] for i in np.argsort(-worth, kind="stable")[: self._parents]]
        ends = (self.problem.space.complete(wish, self._rng) for wish in self._latent.improved(best, LENGTHS))
        found = list(islice(filter(self._unseen.take, ends), self._batch))
        strangers = (self._stranger() for _ in range(self._batch - len(found)))
        return [*found, *(arch for arch in strangers if arch is not None)]
