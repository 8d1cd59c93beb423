"""A distribution over architectures from which whole paths are drawn, for updates by policy gradient."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Gate
from nasturtium.oneshot.relaxations.base import Relaxation, small
from nasturtium.oneshot.relaxations.gumbel import gumbel_noise
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import active, in_order
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace

MOST_DRAWS = 1000


@dataclass(frozen=True)
class Trajectory:
    """An architecture, and everything that was drawn on the way to it: decisions with the positions of their
    options in the order of drawing, those of rejected architectures included.
    """

    arch: Architecture
    steps: tuple[tuple[str, tuple[int, ...]], ...]


class Policy(Relaxation):
    """One path in each pass, decided from the top: an active decision draws its option, or k options one
    after the other, by a softmax over its row. What constraints reject is drawn anew.

    `baseline` is what paths have earned so far, NaN before the first.
    """

    twice = False  # a path has no gradient
    baseline: Tensor

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space = space
        self._order = [space.decisions[name] for name in in_order(space.conditions)]
        self.register_buffer("baseline", torch.tensor(torch.nan))

    def begin(self, seed: int) -> None:
        """Draw from `seed`; nothing has been earned yet."""
        super().begin(seed)
        self.baseline.fill_(torch.nan)

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        """Small random numbers, for every decision."""
        return small(n, generator)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        """The most probable option or options: as many as a path has."""
        assert alpha is not None
        return Gate(tuple(sorted(alpha.topk(decision.k).indices.tolist())))

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        """The softmax over the row."""
        return alpha.softmax(dim=0)

    def path(self, alphas: Mapping[str, Tensor]) -> Architecture:
        """A new path."""
        return self.draw(alphas).arch

    def draw(self, alphas: Mapping[str, Tensor]) -> Trajectory:
        """A new path, and how it was drawn; raises `UsageError` if constraints reject all of many draws."""
        rows = {name: alpha.detach().cpu() for name, alpha in alphas.items()}
        steps: list[tuple[str, tuple[int, ...]]] = []
        for _ in range(MOST_DRAWS):
            arch = self._once(rows, steps)
            if self.space.why_not(arch) is None:
                return Trajectory(arch, tuple(steps))
        raise UsageError(
            f"none of {MOST_DRAWS} paths satisfied the space's constraints, the last one not because"
            f" {self.space.why_not(arch)}; choose a method that trains each architecture, such as random"
        )

    def _once(self, rows: Mapping[str, Tensor], steps: list[tuple[str, tuple[int, ...]]]) -> Architecture:
        values: dict[str, Value] = {}
        for decision in self._order:
            if active(self.space.conditions[decision.name], values):
                row = rows[decision.name]
                drawn = (row + gumbel_noise(row, self.generator)).topk(decision.k).indices.tolist()
                steps.append((decision.name, tuple(drawn)))
                chosen = tuple(decision.options[i] for i in sorted(drawn))
                values[decision.name] = chosen if decision.many else chosen[0]
        return Architecture({name: values[name] for name in self.space.decisions if name in values})

    def log_probability(self, trajectory: Trajectory, alphas: Mapping[str, Tensor]) -> Tensor:
        """Of all that was drawn, a scalar with a gradient to the rows."""
        return torch.stack([_log_draws(alphas[name], drawn) for name, drawn in trajectory.steps]).sum()


def _log_draws(alpha: Tensor, drawn: tuple[int, ...]) -> Tensor:
    """Of options drawn one after the other without replacement."""
    found = alpha.log_softmax(dim=0)[drawn[0]]
    for i in range(1, len(drawn)):
        left = alpha.index_fill(0, torch.tensor(drawn[:i], device=alpha.device), -torch.inf)
        found = found + left.log_softmax(dim=0)[drawn[i]]
    return found
