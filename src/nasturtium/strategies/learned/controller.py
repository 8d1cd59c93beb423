"""A recurrent network that makes architectures, and learns which are good by REINFORCE.

Zoph & Le 2017, https://arxiv.org/abs/1611.01578: an LSTM decides one decision after the other, each with its
own softmax, and is told a reward for the whole. The gradient is (reward − baseline) ∇ log p of the very
decisions that earned the reward, where the baseline is a moving average of earlier rewards. As in ENAS (Pham
et al. 2018, https://arxiv.org/abs/1802.03268) the entropy of the decisions made is encouraged.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import active, in_order
from nasturtium.space.decision import Decision, Value, members
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import refuse_endless

TRIES = 100  # samples that break a constraint, before one is repaired


@dataclass(frozen=True)
class Trajectory:
    """An architecture and the `picks` that made it: positions of options, one after the other."""

    arch: Architecture
    picks: tuple[int, ...]


class Policy(nn.Module):
    """A probability for every way to make an architecture of `space`, with weights drawn from `seed`.

    Decisions come in the order in which they switch each other on; inactive ones, and those that leave no
    choice, are passed over. A k-of-n decision is k picks without replacement.
    """

    def __init__(self, space: SearchSpace, *, seed: int, hidden: int = 64) -> None:
        super().__init__()
        self._space = space
        self._order = [space.decisions[name] for name in in_order(space.conditions)]
        sizes = [len(decision.options) for decision in self._order]
        self._first = [sum(sizes[:i]) for i in range(len(sizes))]  # its options' place among all
        self.cell = skip_init(nn.LSTMCell, hidden, hidden)
        self.embedding = skip_init(nn.Embedding, sum(sizes) + 1, hidden)  # what was picked last; 0: nothing
        self.head = skip_init(nn.Linear, hidden, sum(sizes))
        generator = torch.Generator().manual_seed(seed)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -0.1, 0.1, generator=generator)  # so close to uniform at first

    def forward(self, pick: Callable[[Tensor], int]) -> tuple[dict[str, Value], list[int], Tensor, Tensor]:
        """One walk through the decisions, where `pick` chooses by log-probabilities.

        Returns the values, the picks, the log-probability of each pick, and the sum of their entropies.
        """
        values: dict[str, Value] = {}
        picks: list[int] = []
        log_probs: list[Tensor] = []
        entropy = torch.zeros(())
        last, state = 0, None
        for decision, first in zip(self._order, self._first, strict=True):
            if not active(self._space.conditions[decision.name], values):
                continue
            chosen = list(range(decision.k)) if decision.count() == 1 else []
            while len(chosen) < decision.k:
                state = self.cell(self.embedding.weight[last : last + 1], state)
                log_p = self._log_probabilities(state[0][0], decision, first, chosen)
                chosen.append(pick(log_p))
                picks.append(chosen[-1])
                log_probs.append(log_p[chosen[-1]])
                entropy = entropy - (log_p.exp() * log_p.clamp(min=-1e9)).sum()  # 0 · −∞ counts as 0
                last = 1 + first + chosen[-1]
            values[decision.name] = _value(decision, chosen)
        return values, picks, torch.stack(log_probs) if log_probs else torch.zeros(0), entropy

    def _log_probabilities(self, x: Tensor, decision: Decision, first: int, chosen: list[int]) -> Tensor:
        """Of the options of `decision`; minus infinity for those that are `chosen` already."""
        own = slice(first, first + len(decision.options))
        logits = F.linear(x, self.head.weight[own], self.head.bias[own])
        taken = torch.zeros(len(logits), dtype=torch.bool)
        taken[chosen] = True
        return F.log_softmax(logits.masked_fill(taken, -torch.inf), dim=0)

    def sample(self, rng: np.random.Generator) -> Trajectory:
        """An architecture drawn from the policy.

        What breaks a constraint of the space is drawn again, up to 100 times, then repaired by
        `SearchSpace.complete`.
        """
        with torch.no_grad():
            for _ in range(TRIES):
                values, picks, _, _ = self(lambda log_p: _draw(log_p, rng))
                if all(constraint.violation(values) is None for constraint in self._space.constraints):
                    return Trajectory(self._space.validate(values), tuple(picks))
        arch = self._space.complete(values, rng)
        return Trajectory(arch, self.picks(arch))

    def picks(self, arch: Architecture) -> tuple[int, ...]:
        """The picks that make `arch`, options of a k-of-n decision in their own order."""
        decided = (d for d in self._order if d.name in arch and d.count() > 1)
        return tuple(d.options.index(option) for d in decided for option in members(arch[d.name]))

    def score(self, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
        """The log-probability of a trajectory, and the sum of the entropies met on it; scalars."""
        log_probs, entropy = self.score_each(trajectory)
        return log_probs.sum(), entropy

    def score_each(self, trajectory: Trajectory) -> tuple[Tensor, Tensor]:
        """The log-probability of each pick of a trajectory, and the sum of the entropies met on it."""
        left = iter(trajectory.picks)
        _, _, log_probs, entropy = self(lambda _: next(left))
        return log_probs, entropy


class Controller:
    """A policy that learns with Adam, by REINFORCE or by PPO.

    `entropy` is the weight of the bonus, `decay` that of the past in the baseline. The baseline of an update
    does not know its rewards, and where samples that break constraints are drawn again it also makes the
    gradient right on average, as nearly as it is the mean reward. Raises `UsageError` for a space without a
    list of decisions.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int, learning_rate: float, entropy: float, decay: float
    ) -> None:
        refuse_endless("a controller", space)
        self.policy = Policy(space, seed=seed)
        self.baseline: float | None = None
        self._entropy, self._decay = entropy, decay
        self._adam = torch.optim.Adam(self.policy.parameters(), learning_rate)

    def sample(self, rng: np.random.Generator) -> Trajectory:
        """An architecture and how it was made."""
        return self.policy.sample(rng)

    def learn(self, trajectories: Sequence[Trajectory], rewards: Sequence[float]) -> None:
        """One step towards what was rewarded above the baseline; the first rewards only set the baseline."""
        with self._expecting(rewards):
            self._step(self.loss(trajectories, rewards))

    def learn_clipped(
        self,
        trajectories: Sequence[Trajectory],
        before: Sequence[Tensor],
        rewards: Sequence[float],
        *,
        clip: float,
        steps: int,
    ) -> None:
        """`steps` steps of PPO (see `clipped_loss`) on one batch, advantages being rewards above the baseline
        in units of their root mean square.
        """
        with self._expecting(rewards) as baseline:
            gains = np.array(rewards) - baseline
            advantages = (gains / max(float(np.sqrt(np.mean(gains**2))), 1e-8)).tolist()
            for _ in range(steps):
                self._step(self.clipped_loss(trajectories, before, advantages, clip=clip))

    @contextmanager
    def _expecting(self, rewards: Sequence[float]) -> Iterator[float]:
        """Gives the baseline for these rewards; afterwards it knows them."""
        mean = sum(rewards) / len(rewards)
        if self.baseline is None:
            self.baseline = mean
        yield self.baseline
        self.baseline = self._decay * self.baseline + (1 - self._decay) * mean

    def _step(self, loss: Tensor) -> None:
        if loss.requires_grad:  # not where the space leaves no choice
            self._adam.zero_grad()
            loss.backward()
            self._adam.step()

    def clipped_loss(
        self,
        trajectories: Sequence[Trajectory],
        before: Sequence[Tensor],
        advantages: Sequence[float],
        *,
        clip: float,
    ) -> Tensor:
        """PPO's loss (Schulman et al. 2017, https://arxiv.org/abs/1707.06347, equation 7), and the bonus.

        `before` are the log-probabilities that each trajectory's picks had when they were made. A pick whose
        probability has changed by more than `clip` of it towards its advantage changes no further. The mean
        over trajectories of the sum over their picks, a scalar.
        """
        terms = []
        for trajectory, old, advantage in zip(trajectories, before, advantages, strict=True):
            log_probs, entropy = self.policy.score_each(trajectory)
            ratio = (log_probs - old).exp()
            gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).sum()
            terms.append(gain + self._entropy * entropy)
        return -torch.stack(terms).mean()

    def loss(self, trajectories: Sequence[Trajectory], rewards: Sequence[float]) -> Tensor:
        """What has the negative REINFORCE gradient: the mean over trajectories, a scalar."""
        baseline = self.baseline or 0.0
        terms = []
        for trajectory, reward in zip(trajectories, rewards, strict=True):
            log_prob, entropy = self.policy.score(trajectory)
            terms.append((reward - baseline) * log_prob + self._entropy * entropy)
        return -torch.stack(terms).mean()

    def state(self) -> dict[str, Any]:
        """Everything it has learned."""
        return {
            "policy": self.policy.state_dict(),
            "adam": self._adam.state_dict(),
            "baseline": self.baseline,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.policy.load_state_dict(state["policy"])
        self._adam.load_state_dict(state["adam"])
        self.baseline = state["baseline"]


def _draw(log_p: Tensor, rng: np.random.Generator) -> int:
    p = log_p.double().exp().numpy()
    return int(rng.choice(len(p), p=p / p.sum()))


def _value(decision: Decision, chosen: Sequence[int]) -> Value:
    options = tuple(decision.options[i] for i in sorted(chosen))
    return options if decision.many else options[0]
