"""REINFORCE with a recurrent controller (Zoph & Le 2017, https://arxiv.org/abs/1611.01578)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.reward import Reward

if TYPE_CHECKING:
    from nasturtium.strategies.learned.controller import Trajectory


@STRATEGIES.register(
    "reinforce",
    summary="an LSTM decides decision after decision and learns from rewards",
    paper="https://arxiv.org/abs/1611.01578",
)
class Reinforce(Strategy):
    """Architectures are drawn from a controller that takes a step after every tell (see `Controller`).

    The reward is the negated loss, or what `reward` makes of a trial's metrics (see `WeightedProduct`). It is
    counted from that of the first trial within the limits, which makes no difference to the gradient; over a
    limit it is the lowest reward so far, 0 at first, minus the violation. Failed trials teach nothing. An
    architecture may come again. It never waits: with several workers a trial may have been drawn a few steps
    of the controller before it teaches. The step size is larger than the paper's 0.0006, and the baseline
    forgets faster, because a search here has hundreds of trials and not thousands.

    Raises `UsageError` for several objectives without a `reward`, and for a space without a list of
    decisions.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        learning_rate: float = 0.005,
        entropy: float = 0.01,
        decay: float = 0.8,
        reward: Reward | None = None,
    ) -> None:
        super().__init__(problem, seed=seed)
        if len(problem.objectives) > 1 and reward is None:
            raise UsageError(
                "a controller maximises one reward: give it a reward made of several metrics, or one"
                " objective, or use nsga2"
            )
        from nasturtium.strategies.learned.controller import Controller  # here: torch takes a second

        self._controller = Controller(
            problem.space, seed=seed, learning_rate=learning_rate, entropy=entropy, decay=decay
        )
        self._rng = np.random.default_rng(seed)
        self._asked: dict[int, Trajectory] = {}  # by trial, until it is told
        self._count = 0
        self._shaped = reward
        self._first: float | None = None
        self._lowest = 0.0

    def ask(self, n: int) -> list[Proposal]:
        """`n` architectures drawn from the controller."""
        drawn = [self._controller.sample(self._rng) for _ in range(n)]
        self._asked |= dict(enumerate(drawn, start=self._count))
        self._count += n
        return [Proposal(trajectory.arch) for trajectory in drawn]

    def tell(self, trials: Sequence[Trial]) -> None:
        """One step of the controller on these results together."""
        pairs = [(self._asked.pop(trial.id), trial) for trial in trials]
        pairs = [(trajectory, trial) for trajectory, trial in pairs if trial.status != "failed"]
        if pairs:
            rewards = [self._reward(trial) for _, trial in pairs]
            self._controller.learn([trajectory for trajectory, _ in pairs], rewards)

    def _reward(self, trial: Trial) -> float:
        if trial.status != "ok":
            return self._lowest - trial.violation
        value = self._shaped(trial.measurement.metrics) if self._shaped else -trial.losses[0]
        if self._first is None:
            self._first = value
        reward = value - self._first
        self._lowest = min(self._lowest, reward)
        return reward
