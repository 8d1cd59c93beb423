"""What a strategy, an estimator and a study may expect of each other."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Limit, Objective, violation
from nasturtium.problem.records import Fidelity, Measurement, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace

Hints = Callable[[Sequence[Architecture]], np.ndarray]
"""What is known of n architectures without evaluating them, n × features: sizes, zero-cost scores."""

Report = Callable[[int, Mapping[str, float]], bool]
"""Called by an estimator after each epoch with its number (from 1) and figures; False means: stop now."""


@dataclass(frozen=True)
class Problem:
    """What is searched and for what. `fidelities` rise; the last one is the full one.

    An architecture over one of the `limits` is no answer; a trial finds out. `hints` are cheap and always the
    same; a strategy may ask for many.
    """

    space: SearchSpace
    objectives: tuple[Objective, ...]
    fidelities: tuple[Fidelity, ...]
    limits: tuple[Limit, ...] = ()
    hints: Hints | None = None

    def __post_init__(self) -> None:
        if not self.objectives:
            raise UsageError("a problem needs at least one objective")
        if not self.fidelities:
            raise UsageError("a problem needs at least one fidelity")

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """One loss per objective, smaller is better. Raises what `Objective.loss` raises."""
        return tuple(objective.loss(metrics) for objective in self.objectives)

    def violation(self, metrics: Mapping[str, float]) -> float:
        """By how much the limits are exceeded (see `objectives.violation`)."""
        return violation(self.limits, metrics)

    def exceeded(self, metrics: Mapping[str, float]) -> str:
        """Which limits `metrics` exceed, in words."""
        over = (limit for limit in self.limits if limit.metric in metrics and limit.excess(metrics) > 0)
        return " and ".join(f"{metrics[limit.metric]:,.10g} is more than {limit}" for limit in over)


class Strategy(ABC):
    """Proposes architectures and learns from their trials.

    A strategy is a pure function of its seed and of the calls made to it, in order: the same seed, asks and
    tells give the same proposals in any process. It has no clock, no file and no global random numbers, since
    a killed search is resumed by making the same calls again.
    """

    def __init__(self, problem: Problem, *, seed: int = 0) -> None:
        self.problem = problem
        self.seed = seed

    @abstractmethod
    def ask(self, n: int) -> list[Proposal]:
        """At most `n` proposals.

        Fewer than `n` means: wait for a tell, I need results first. None while no trial is running means: the
        search is finished. Trials get their numbers from 0 in the order in which they were proposed.
        """

    def tell(self, trials: Sequence[Trial]) -> None:  # noqa: B027 (learning nothing is a valid strategy)
        """Learn from results, in the order in which they came; only trials that are `ok` have losses."""

    def state_dict(self) -> dict[str, Any] | None:
        """A JSON-able state that makes resuming faster; None (the default): resumed by replay alone."""
        return None

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, from a strategy with the same problem, seed and options."""
        raise UsageError(f"{type(self).__name__} has no states to load: make the same calls again")


@dataclass(frozen=True)
class Job:
    """One evaluation to be done. Everything random in it comes from `seed`; files go into `workdir`.

    `workdir` is the trial's own folder; it may not exist yet, and it holds what an earlier, killed attempt
    left there. `resume_from` is the folder of a trial of the same architecture and seed that is to be
    continued; what it cost is not counted again.
    """

    trial: int
    arch: Architecture
    fidelity: Fidelity
    seed: int
    workdir: Path
    resume_from: Path | None = None


class Estimator(ABC):
    """Finds out how good an architecture is. `metrics` names what every measurement holds."""

    metrics: tuple[str, ...]

    @abstractmethod
    def evaluate(self, job: Job, report: Report) -> Measurement:
        """Measure `job.arch`; the result depends on the job only, so that it may be repeated.

        An exception makes this one trial fail; the search goes on with the next.
        """
