"""Proximal policy optimisation with a recurrent controller (Schulman et al. 2017,
https://arxiv.org/abs/1707.06347; for architectures Zoph et al. 2018, https://arxiv.org/abs/1707.07012).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.reinforce import Reinforce
from nasturtium.strategies.reward import Reward

if TYPE_CHECKING:
    from torch import Tensor

    from nasturtium.strategies.learned.controller import Trajectory


@STRATEGIES.register(
    "ppo",
    summary="an LSTM as in reinforce, which learns in small safe steps from batches",
    paper="https://arxiv.org/abs/1707.06347",
)
class PPO(Reinforce):
    """As `Reinforce`, but the controller learns once `batch` results are in, by `steps` steps on all of them;
    a decision whose probability has moved by the share `clip` since it was made, up where it earned more than
    expected or down where less, is left alone. Advantages are in units of their root mean square, so that
    `entropy` weighs more than there.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        learning_rate: float = 0.01,
        entropy: float = 0.05,
        decay: float = 0.8,
        batch: int = 10,
        steps: int = 5,
        clip: float = 0.2,
        reward: Reward | None = None,
    ) -> None:
        super().__init__(
            problem, seed=seed, learning_rate=learning_rate, entropy=entropy, decay=decay, reward=reward
        )
        if batch < 1 or steps < 1 or not 0 < clip < 1:
            raise UsageError(
                "ppo takes a batch and steps of 1 or more and a clip between 0 and 1, not"
                f" {batch}, {steps}, {clip}"
            )
        self._batch, self._steps, self._clip = batch, steps, clip
        self._before: dict[int, Tensor] = {}  # log-probabilities of picks when they were made, by trial
        self._told: list[tuple[Trajectory, Tensor, float]] = []  # and rewards, of this batch

    def ask(self, n: int) -> list[Proposal]:
        """`n` architectures drawn from the controller."""
        first = self._count
        proposals = super().ask(n)
        policy = self._controller.policy
        for number in range(first, self._count):
            self._before[number] = policy.score_each(self._asked[number])[0].detach()
        return proposals

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join the batch; once it is full the controller learns from it."""
        for trial in trials:
            trajectory, before = self._asked.pop(trial.id), self._before.pop(trial.id)
            if trial.status != "failed":
                self._told.append((trajectory, before, self._reward(trial)))
        if len(self._told) >= self._batch:
            trajectories, old, rewards = zip(*self._told, strict=True)
            self._controller.learn_clipped(trajectories, old, rewards, clip=self._clip, steps=self._steps)
            self._told = []
