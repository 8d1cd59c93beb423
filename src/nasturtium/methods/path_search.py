"""The stages of single-path methods: train a supernet, then search over it with inherited weights."""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from pydantic import Field

from nasturtium.core.errors import NasturtiumError, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.core.settings import Settings
from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.methods.base import Json, Stage, Task
from nasturtium.methods.gradient_search import MOST_EPOCHS, figures
from nasturtium.methods.pace import Pace, Timing, seconds_per_step
from nasturtium.modules.derive import derive
from nasturtium.oneshot.paths import PathSampler
from nasturtium.oneshot.single_path import PathSettings, SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Cost, Fidelity, SearchEpoch
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import STRATEGIES
from nasturtium.study.budget import Budget
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.study.study import Study
from nasturtium.training.checkpoint import Checkpoints

TRAINING_SHARE = 0.8  # of a time budget; the rest scores paths
TRIALS = 200  # scored paths where the budget is no time
SUPERNET = "supernet"


class ScoringSettings(Settings):
    """How paths are searched for in the trained supernet."""

    what = "search settings"

    strategy: str = Field("random", description="what proposes the paths that are scored")


class SupernetTraining:
    """Trains the shared weights along the paths of `sampler`; resumes from its last finished epoch."""

    name = SUPERNET

    def __init__(self, task: Task, sampler: Callable[[SearchSpace], PathSampler]) -> None:
        if task.budget.unit == "trials":
            raise UsageError("a supernet is trained first: give the budget as time ('10m') or as '20 epochs'")
        if "epochs" in task.searching:
            raise UsageError("the number of epochs of a search is its budget: give it as '20 epochs'")
        training = {k: v for k, v in task.searching.items() if k not in ScoringSettings.model_fields}
        self._task = task
        self._sampler = sampler
        self._settings = PathSettings.parse({"mirror": task.mirror, **training})
        self._loop(self._settings)  # what can't be trained is refused before anything is spent

    def _loop(self, settings: PathSettings) -> tuple[Supernet, SinglePath]:
        task = self._task
        supernet = Supernet(task.blueprint, seed=seed_for(task.seed, SUPERNET))
        sampler = self._sampler(supernet.space)
        return supernet, SinglePath(supernet, sampler, settings, fabric=task.fabric, seed=task.seed)

    def run(self, run: Run, progress: Progress) -> Json:
        """The curve of the training; the weights are in the run's checkpoints."""
        pace = Pace.of(run)
        settings = self._settings.model_copy(update={"epochs": pace.epochs})
        known = len(run.epochs(self.name))
        progress.start(self.name, pace.epochs, "epochs")

        def on_epoch(epoch: SearchEpoch) -> None:
            if epoch.epoch > known:
                run.epoch(self.name, figures(epoch), cost=Cost.from_dict(epoch.cost))
            progress.advance(epoch.epoch, loss=epoch.train_loss, valid_accuracy=epoch.valid_accuracy)

        try:
            trained = self._train(run, settings, pace, on_epoch)[1]
        finally:
            progress.finish()
        return {"curve": [asdict(epoch) for epoch in trained], "settings": settings.model_dump()}

    def _train(
        self, run: Run, settings: PathSettings, pace: Pace, on_epoch: Callable[[SearchEpoch], None]
    ) -> tuple[Supernet, tuple[SearchEpoch, ...]]:
        supernet, loop = self._loop(settings)
        trained = loop.run(
            self._task.splits.search_train,
            self._task.splits.search_valid,
            steps=pace.steps,
            checkpoints=Checkpoints(run.path("checkpoints"), SUPERNET),
            on_epoch=on_epoch,
        )
        return supernet, trained.curve

    def trained(self, run: Run) -> Supernet:
        """The supernet of a finished training; what its checkpoint lacks is trained again."""
        pace = Pace.of(run)
        settings = self._settings.model_copy(update={"epochs": pace.epochs})
        return self._train(run, settings, pace, lambda _: None)[0]

    def pace(self, progress: Progress) -> Pace:
        """How many epochs and steps the budget allows."""
        task, settings = self._task, self._settings
        pass_steps = max(len(task.splits.search_train) // settings.batch_size, 1)
        if task.budget.unit == "epochs":
            return Pace(max(int(task.budget.amount), 1), pass_steps)
        progress.say("timing a few steps of the supernet")
        _, one = self._loop(settings.model_copy(update={"epochs": 1}))
        step_seconds = seconds_per_step(
            lambda n: one.run(task.splits.search_train, task.splits.search_valid, steps=n)
        )
        pace = Pace.within(
            task.budget.amount * TRAINING_SHARE,
            step_seconds=step_seconds,
            pass_steps=pass_steps,
            most_epochs=MOST_EPOCHS,
        )
        return pace.advise(progress, pass_steps=pass_steps, sizes="--search-net")


class PathSearch:
    """Scores paths of the trained supernet that a strategy proposes; resumes by replaying the run's log."""

    name = "search"

    def __init__(self, task: Task, training: SupernetTraining) -> None:
        scoring = {k: v for k, v in task.searching.items() if k in ScoringSettings.model_fields}
        self._strategy = STRATEGIES.get(ScoringSettings.parse(scoring).strategy)
        self._task = task
        self._training = training

    def run(self, run: Run, progress: Progress) -> Json:
        """The path with the best validation accuracy, and the curve of the supernet's training."""
        task = self._task
        scoring = Budget(TRIALS, "trials")
        if task.budget.unit == "seconds":
            scoring = Budget(task.budget.amount * (1 - TRAINING_SHARE), "seconds")
        space = task.blueprint.space
        problem = Problem(space, (Objective("valid_accuracy", "max"),), (Fidelity(0),))
        study = Study(
            problem,
            self._strategy(problem, seed=seed_for(task.seed, "strategy")),
            InheritedEstimator(
                partial(derive, self._training.trained(run).net),
                task.splits.search_train,
                task.splits.search_valid,
                fabric=task.fabric,
            ),
            run=run,
            stage=self.name,
            budget=scoring,
            seed=task.seed,
            progress=progress,
        )
        best = study.run().best
        if best is None:
            raise NasturtiumError("no path could be scored; the trials' errors are in the run's log")
        return {
            "architecture": json.loads(best.proposal.arch.to_json()),
            "trial": best.id,
            "curve": run.stages()[SUPERNET].payload["curve"],
        }


def path_stages(task: Task, sampler: Callable[[SearchSpace], PathSampler]) -> list[Stage]:
    """Measure and write down the pace, train the supernet at it, search over it."""
    training = SupernetTraining(task, sampler)
    return [Timing(training), training, PathSearch(task, training)]
