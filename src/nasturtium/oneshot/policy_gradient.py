"""The architecture's gradient by REINFORCE.

ProxylessNAS (Cai et al. 2019, https://arxiv.org/abs/1812.00332), section 3.3.2: paths are drawn from the
architecture parameters and rewarded on the validation batch, without a gradient through the network. The
gradient is that of Williams 1992 (https://doi.org/10.1007/BF00992696) with a moving average of earlier
rewards as the baseline, and with the log-probabilities of the very draws that led to each reward.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nasturtium.hardware.cost_table import CostTable
from nasturtium.oneshot.arch_step import Batch, Loss, gradients
from nasturtium.oneshot.epochs import accuracy
from nasturtium.oneshot.parallel import average
from nasturtium.oneshot.relaxations.policy import Policy
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.training.evaluate import split_output

Reward = Callable[[Tensor, Tensor, Architecture], Tensor]
"""What a path earns, given its logits, the labels and its architecture."""


def accuracy_alone(logits: Tensor, labels: Tensor, arch: Architecture) -> Tensor:
    """The share of right answers."""
    return accuracy(logits, labels)


class AccuracyAtCost:
    """accuracy · (reference / cost)^weight, as in MnasNet (Tan et al. 2019,
    https://arxiv.org/abs/1807.11626); the reference is what a path costs on average before the search.
    """

    def __init__(self, table: CostTable, weight: float) -> None:
        self._table = table
        self._reference = table.expected({}).item()
        self._weight = weight

    def __call__(self, logits: Tensor, labels: Tensor, arch: Architecture) -> Tensor:
        """Higher is better."""
        return accuracy(logits, labels) * (self._reference / self._table.total(arch)) ** self._weight


class PolicyGradient:
    """−E[(reward − baseline) ∇α log p(path)], estimated from `paths` paths.

    After each update the baseline moves to their mean reward by 1 − `memory`; the first ones are compared
    with their own mean.
    """

    backward_passes = 0

    def __init__(
        self, policy: Policy, reward: Reward = accuracy_alone, *, paths: int = 10, memory: float = 0.9
    ) -> None:
        self._policy = policy
        self._reward = reward
        self._memory = memory
        self.passes = paths

    def gradient(
        self, supernet: Supernet, train: Batch, valid: Batch, loss: Loss, optimizer: torch.optim.SGD
    ) -> dict[str, Tensor]:
        """Forward passes on the validation batch only. `loss` adds the gradient of its penalties, if any."""
        x, labels = valid
        alphas = dict(supernet.alphas.items())
        trajectories = [self._policy.draw(alphas) for _ in range(self.passes)]
        rewards, losses = [], []
        for trajectory in trajectories:
            supernet.activate(trajectory.arch)
            with torch.no_grad():
                output = supernet(x)
            losses.append(loss(output, labels))
            rewards.append(self._reward(split_output(output)[0], labels, trajectory.arch))
        supernet.activate(None)
        advantages = self._advantages(torch.stack(rewards))
        likelihoods = torch.stack([self._policy.log_probability(t, alphas) for t in trajectories])
        return gradients(torch.stack(losses).mean() - (advantages * likelihoods).mean(), alphas)

    def _advantages(self, rewards: Tensor) -> Tensor:
        """How much better than the baseline each path is; moves the baseline."""
        average([rewards])  # all processes drew the same paths
        baseline, mean = self._policy.baseline, rewards.mean()
        before = torch.where(baseline.isnan(), mean, baseline)
        baseline.copy_(self._memory * before + (1 - self._memory) * mean)
        return rewards - before
