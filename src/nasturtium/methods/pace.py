"""From a time budget to a number of steps: measured once, written down, then followed, also when resumed.

Schedules need to know their end, and two networks are only comparable after equally many steps. So time is
turned into epochs before the work begins, not by a clock that stops it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter
from typing import Protocol

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import Json, Stage, Task
from nasturtium.modules.blueprint import Blueprint
from nasturtium.study.budget import Budget
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.trainer import fit

PACE = "pace"
FEWEST_EPOCHS = 8  # with fewer passes epochs are shortened, so that schedules and curves keep their shape
MOST_EPOCHS = 50  # of a search within a time budget, the number of DARTS' authors on CIFAR-10
SLOW = 5.0  # seconds of a step
FAST = 0.5  # seconds of the first step, which takes longer than the others


@dataclass(frozen=True)
class Pace:
    """`epochs` epochs of `steps` steps each."""

    epochs: int
    steps: int

    def to_dict(self) -> Json:
        """The fields by name."""
        return asdict(self)

    @classmethod
    def of(cls, run: Run) -> "Pace":
        """The pace that was written down for the search of `run`."""
        return cls(**run.stages()[PACE].payload)

    @classmethod
    def over(cls, passes: float, *, pass_steps: int) -> "Pace":
        """As many passes over the data, where one has `pass_steps` steps; a part of one shortens all."""
        epochs = max(math.ceil(passes), 1)
        return cls(epochs, max(int(pass_steps * passes / epochs), 1))

    @classmethod
    def within(cls, seconds: float, *, step_seconds: float, pass_steps: int, most_epochs: int) -> "Pace":
        """What fits into `seconds`, where a pass over the data has `pass_steps` steps."""
        total = max(int(seconds / step_seconds), FEWEST_EPOCHS)
        epochs = min(max(total // pass_steps, FEWEST_EPOCHS), most_epochs)
        return cls(epochs, max(min(total // epochs, pass_steps), 1))

    def advise(self, progress: Progress, *, pass_steps: int, sizes: str) -> "Pace":
        """Say so if not even one pass over the images fits; returns itself."""
        passes = self.epochs * self.steps / pass_steps
        if passes < 1:
            progress.say(
                f"the budget allows {passes:.2f} passes over the images: too few to learn much. Give it"
                f" more time, or smaller networks ({sizes})"
            )
        return self


def seconds_per_step(run_steps: Callable[[int], object], *, together: int = 20) -> float:
    """Seconds of one step, as the median of three timings after a warm-up.

    `run_steps(n)` does n real steps. Of steps so slow that warming up makes no difference one is enough; of
    fast ones `together` are timed at once, because what a run does besides takes as long as several of them;
    of others two.
    """
    began = perf_counter()
    run_steps(1)
    first = perf_counter() - began
    if first > SLOW:
        return first
    n = together if first < FAST else 2
    timings = []
    for _ in range(3):
        began = perf_counter()
        run_steps(n)
        timings.append((perf_counter() - began) / n)
    return median(timings)


def time_training(blueprint: Blueprint, images: ImageSet, task: Task) -> float:
    """Seconds of a training step, as the mean over two random architectures."""
    rng = np.random.default_rng(seed_for(task.seed, "pace"))

    def one() -> float:
        net = blueprint.build(blueprint.space.sample(rng), task.seed)
        settings = task.training.model_copy(update={"epochs": 1, "warmup_epochs": 0})
        return seconds_per_step(
            lambda n: fit(net, images, settings, seed=0, fabric=task.fabric, steps_per_epoch=n)
        )

    return (one() + one()) / 2


class Timed(Protocol):
    """A training on the search-train split whose steps can be timed."""

    @property
    def pass_steps(self) -> int:
        """The steps of a pass over the split."""

    def step_seconds(self) -> float:
        """Seconds of a step, measured now."""


def refuse_other_budgets(task: Task) -> None:
    """Raise `UsageError` for a search whose length is given as trials, or as a setting."""
    if task.budget.unit == "trials":
        raise UsageError("this search has no trials: give its budget as time ('10m') or as '20 epochs'")
    if "epochs" in task.searching:
        raise UsageError("the number of epochs of a search is its budget: give it as '20 epochs'")


def pace_of(
    searches: Sequence[Timed], budget: Budget, progress: Progress, *, most_epochs: int = MOST_EPOCHS
) -> Pace:
    """The pace at which `budget` is enough for all searches, each of which goes equally many steps."""
    pass_steps = searches[0].pass_steps
    if budget.unit == "epochs":
        return Pace.over(budget.amount / len(searches), pass_steps=pass_steps)
    progress.say("timing a few steps of the search")
    pace = Pace.within(
        budget.amount,
        step_seconds=sum(search.step_seconds() for search in searches),
        pass_steps=pass_steps,
        most_epochs=most_epochs,
    )
    return pace.advise(progress, pass_steps=pass_steps, sizes="--search-net")


def steps_of_pass(images: ImageSet, batch_size: int) -> int:
    """How many batches a pass over `images` has; a rest is left out."""
    return max(len(images) // batch_size, 1)


class Paced(Protocol):
    """A stage that can tell how far its budget goes."""

    name: str

    def pace(self, progress: Progress) -> Pace:
        """Measured on this machine, now."""

    def run(self, run: Run, progress: Progress) -> Json:
        """The stage itself."""


def paced(search: Paced) -> list[Stage]:
    """Two stages: measure and write down the pace, then search at it."""
    return [Timing(search), search]


class Timing:
    """Measures how much fits into the budget, once."""

    name = PACE

    def __init__(self, search: Paced) -> None:
        self._search = search

    def run(self, run: Run, progress: Progress) -> Json:
        """The pace."""
        return self._search.pace(progress).to_dict()
