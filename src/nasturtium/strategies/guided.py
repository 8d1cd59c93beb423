"""Search guided by a predictor: what the strategies that learn a model of the loss have in common."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.predictors.base import PREDICTORS
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import refuse_endless
from nasturtium.strategies.unseen import Unseen


class Guided(Strategy):
    """Random architectures until `initial` results are in; from then on batches of up to `batch` that a
    predictor chose.

    A batch is asked for before the next is chosen; by then the `predictor` has learned from all results that
    are in, unless there are no new ones. So it never waits, and a proposal that still runs counts as taken
    and as nothing else. No architecture comes twice: where no candidate is new a random one is taken, and the
    search ends when no new one is found.

    Trials over limits are learned as worse than all within them, in the order of their violations, and failed
    ones as the worst (see `targets`), so that the search keeps away from both. What is learned of a loss is a
    logarithm (see `log_scaled`), because the few bad ones would outweigh what tells the good ones apart.

    `encoding` is a kind of `SearchSpace.encode`; by default the first of `encodings` that the space has.
    Raises `UsageError` for several objectives, for senseless numbers, for an unknown predictor or encoding,
    and for spaces without end.
    """

    encodings: tuple[str, ...] = ("path", "continuous")

    def __init__(
        self, problem: Problem, *, seed: int, initial: int, batch: int, predictor: str, encoding: str | None
    ) -> None:
        super().__init__(problem, seed=seed)
        if len(problem.objectives) > 1:
            raise UsageError("a predictor learns one loss; give it one objective, or use nsga2 for several")
        refuse_endless("a predictor", problem.space)
        if initial < 2 or batch < 1:
            raise UsageError(
                "a predictor begins with 2 or more random results and chooses batches of 1 or more, not"
                f" {initial} and {batch}"
            )
        cells = bool(problem.space.layout.cells)
        self._encoding = encoding or self.encodings[0 if cells else -1]
        problem.space.encoding_names(self._encoding)  # raises
        self._model = PREDICTORS.get(predictor)
        self._initial, self._batch = initial, batch
        self._rng = np.random.default_rng(seed)
        self._unseen = Unseen()
        self._queue: list[Architecture] = []  # chosen and not asked for yet, the next one first
        self._told: list[Trial] = []
        self._vectors: np.ndarray | None = None  # of those that the predictor has learned from

    @abstractmethod
    def choose(self) -> Sequence[Architecture]:
        """Up to `batch` architectures to evaluate next; those that are not new are passed over."""

    def ask(self, n: int) -> list[Proposal]:
        """Random architectures, or the next ones that were chosen."""
        proposals: list[Proposal] = []
        while len(proposals) < n:
            if not self._queue:
                self._queue = self._more()
            if not self._queue:
                break
            proposals.append(Proposal(self._queue.pop(0)))
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results to learn from before the next batch is chosen, in any order."""
        self._told += trials

    def _more(self) -> list[Architecture]:
        """A new batch, or one random architecture; nothing if there is nothing new."""
        if len(self._told) >= self._initial:
            self._learn()
            if batch := [arch for arch in self.choose() if self._unseen.take(arch)]:
                return batch
        stranger = self._unseen.draw(lambda: self.problem.space.sample(self._rng))
        return [] if stranger is None else [stranger]

    def _learn(self) -> None:
        known = 0 if self._vectors is None else len(self._vectors)
        if known == len(self._told):
            return
        new = self.encode([trial.proposal.arch for trial in self._told[known:]])
        self._vectors = new if self._vectors is None else np.concatenate([self._vectors, new])
        self._targets = log_scaled(targets(self._told))
        self._fitted = self._model(seed=int(self._rng.integers(2**31))).fit(self._vectors, self._targets)

    # --- what strategies choose with
    @property
    def least(self) -> float:
        """The smallest of what the predictor has learned."""
        return float(self._targets.min())

    def best(self, n: int) -> list[Architecture]:
        """The best `n` that have not failed, the best first; those over limits come last."""
        known = sorted(
            (trial for trial in self._told if trial.status in ("ok", "infeasible")),
            key=lambda trial: (trial.rank, trial.id),
        )
        return [trial.proposal.arch for trial in known[:n]]

    def fresh(self, archs: Iterable[Architecture]) -> list[Architecture]:
        """Those that were not taken yet, each once, in their order."""
        return [arch for arch in dict.fromkeys(archs) if arch not in self._unseen]

    def mutations(self, parents: Sequence[Architecture], each: int) -> list[Architecture]:
        """New ones among `each` mutations of every parent, each once."""
        space = self.problem.space
        return self.fresh(space.mutate(parent, self._rng) for parent in parents for _ in range(each))

    def encode(self, archs: Sequence[Architecture]) -> np.ndarray:
        """As the predictor sees them, n × features."""
        return self.problem.space.encode(archs, self._encoding)

    def predict(self, archs: Sequence[Architecture]) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations of their losses, log-scaled."""
        return self._fitted.predict(self.encode(archs)) if archs else (np.empty(0), np.empty(0))


def targets(trials: Sequence[Trial]) -> np.ndarray:
    """What a predictor learns of each trial, the smaller the better.

    Of those that are ok it is the loss. The others lie above the largest of these, evenly spaced, up to the
    difference of the largest and the smallest one: first those over limits in the order of their violations,
    then all that failed.
    """
    ok = np.array([trial.status == "ok" for trial in trials])
    losses = np.array([trial.losses[0] for trial in trials if trial.status == "ok"])
    over = np.array([t.violation if t.status == "infeasible" else np.inf for t in trials])
    steps, place = np.unique(over[~ok], return_inverse=True)
    largest, extent = (losses.max(), np.ptp(losses) or 1.0) if len(losses) else (0.0, 1.0)
    learned = np.empty(len(trials))
    learned[ok] = losses
    learned[~ok] = largest + extent * (1 + place) / max(len(steps), 1)
    return learned


def log_scaled(losses: np.ndarray) -> np.ndarray:
    """ln((y − bound) / (max y − bound)) of losses y, as SMAC3 learns them (Lindauer et al. 2022,
    https://arxiv.org/abs/2109.09831); 0 of losses that are all the same.

    The bound is as far below the smallest loss as that is below the 5th percentile, but at least by a
    thousandth of the way from the smallest to the largest, so that equals don't make it infinite.
    """
    low, high = float(losses.min()), float(losses.max())
    if low == high:
        return np.zeros(len(losses))
    bound = low - max(float(np.percentile(losses, 5)) - low, 1e-3 * (high - low))
    return np.asarray(np.log((losses - bound) / (high - bound)))


def first(archs: Sequence[Architecture], score: np.ndarray, n: int) -> list[Architecture]:
    """The `n` with the smallest score, the smallest first; of equals the earlier ones."""
    return [archs[i] for i in np.argsort(score, kind="stable")[:n]]
