"""The stage that trains a supernet along single paths."""

from collections.abc import Callable, Iterable
from dataclasses import asdict

from pydantic import Field, field_validator

from nasturtium.core.errors import UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import Json, Task
from nasturtium.methods.epochs import epochs_told
from nasturtium.methods.pace import Pace, pace_of, refuse_other_budgets, seconds_per_step, steps_of_pass
from nasturtium.oneshot.distil import Distillation
from nasturtium.oneshot.epochs import OnEpoch
from nasturtium.oneshot.paths import PathSampler
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import STRATEGIES
from nasturtium.study.budget import Budget, Unit
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

Sampler = Callable[[Supernet, SearchSpace], PathSampler]
"""Draws paths of a supernet from a part of its space."""


class PathSearchSettings(PathSettings):
    """How a supernet is trained and then searched."""

    strategy: str = Field(
        "evolution",
        description="what proposes the paths that are scored: evolution, local-search, nsga2, random, …",
    )
    paths: int = Field(200, ge=1, description="how many paths are scored if the budget is no time")
    training_share: float = Field(
        0.8, gt=0, lt=1, description="part of a time budget that trains the supernet; the rest scores paths"
    )

    @field_validator("strategy")
    @classmethod
    def _known(cls, strategy: str) -> str:
        STRATEGIES.info(strategy)  # raises
        return strategy

    def refuse_idle(self, asked: Iterable[str], unit: Unit) -> None:
        """Raise `UsageError` where one of the settings that a person `asked` for would change nothing."""
        if "paths" in asked and unit == "seconds":
            raise UsageError(
                "paths: a time budget scores as many paths as fit into it; set training_share, or give the"
                " budget as '20 epochs'"
            )
        if "training_share" in asked and unit != "seconds":
            raise UsageError("training_share: only a budget of time ('10m') is shared; set paths instead")
        if "momentum" in asked and self.optimizer == "adamw":
            raise UsageError("momentum: AdamW has none; set optimizer to 'sgd'")


PATH_SETTINGS = PathSearchSettings()


class SupernetTraining:
    """Trains the shared weights along the paths of `sampler`; resumes from its last finished epoch.

    `settings` are the method's, which a person may change; `distil` is as in `SinglePath`. Subclasses begin
    with other weights or with a part of the space.
    """

    name = "supernet"

    def __init__(
        self,
        task: Task,
        sampler: Sampler,
        *,
        distil: Distillation | None = None,
        settings: PathSearchSettings = PATH_SETTINGS,
    ) -> None:
        refuse_other_budgets(task)
        self._task = task
        self._sampler = sampler
        self._distil = distil
        self.settings = settings.changed({"mirror": task.mirror, **task.searching})
        self.settings.refuse_idle(task.searching, task.budget.unit)

    def fresh(self) -> tuple[Supernet, SearchSpace]:
        """An untrained supernet and its space; raises `UsageError` where there can be none."""
        supernet = Supernet(self._task.blueprint, seed=seed_for(self._task.seed, SupernetTraining.name))
        return supernet, supernet.space

    def begin(self, run: Run) -> tuple[Supernet, SearchSpace]:
        """The supernet as it is at first, and the part of its space that is trained."""
        return self.fresh()

    def stretch(self, pace: Pace) -> Pace:
        """This training's part of the whole pace."""
        return pace

    def run(self, run: Run, progress: Progress) -> Json:
        """The curve of the training; the weights are in the run's checkpoints."""
        epochs = self.stretch(Pace.of(run)).epochs
        with epochs_told(run, self.name, epochs, progress) as on_epoch:
            _, curve = self._train(run, on_epoch)
        return {"curve": [asdict(epoch) for epoch in curve], "settings": self.settings.model_dump()}

    def trained(self, run: Run) -> Supernet:
        """The supernet of a finished training; what its checkpoint lacks is trained again."""
        return self._train(run, lambda _: None)[0]

    def _train(self, run: Run, on_epoch: OnEpoch) -> tuple[Supernet, tuple[SearchEpoch, ...]]:
        pace = self.stretch(Pace.of(run))
        supernet, space = self.begin(run)
        trained = self._loop(supernet, space, pace.epochs).run(
            self._task.splits.search_train,
            self._task.splits.search_valid,
            steps=pace.steps,
            checkpoints=Checkpoints(run.path("checkpoints"), self.name),
            on_epoch=on_epoch,
        )
        return supernet, trained.curve

    def _loop(self, supernet: Supernet, space: SearchSpace, epochs: int) -> SinglePath:
        return SinglePath(
            supernet,
            self._sampler(supernet, space),
            self.settings.model_copy(update={"epochs": epochs}),
            fabric=self._task.fabric,
            seed=seed_for(self._task.seed, self.name),
            distil=self._distil,
        )

    def pace(self, progress: Progress) -> Pace:
        """How many epochs and steps the budget, or the training's share of its time, allows."""
        budget = self._task.budget
        if budget.unit == "seconds":
            budget = Budget(budget.amount * self.settings.training_share, "seconds")
        return pace_of([self], budget, progress)

    @property
    def pass_steps(self) -> int:
        """The steps of a pass over the search-train split."""
        return steps_of_pass(self._task.splits.search_train, self.settings.batch_size)

    def step_seconds(self) -> float:
        """Seconds of a step, measured now."""
        splits, one = self._task.splits, self._loop(*self.fresh(), epochs=1)
        return seconds_per_step(lambda n: one.run(splits.search_train, splits.search_valid, steps=n))
