"""The stages of single-path methods: train a supernet, then search over it with inherited weights."""

import json
from collections.abc import Callable
from functools import partial

from torch import nn

from nasturtium.core.errors import NasturtiumError
from nasturtium.core.seeds import seed_for
from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.methods.base import Json, Stage, Task
from nasturtium.methods.limits import limited
from nasturtium.methods.pace import Timing
from nasturtium.methods.supernet_training import (
    PATH_SETTINGS,
    PathSearchSettings,
    Sampler,
    SupernetTraining,
)
from nasturtium.modules.derive import derive
from nasturtium.oneshot.distil import Distillation
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.study.budget import Budget
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.study.study import Study

Inherit = Callable[[Architecture], nn.Module]
"""Makes a plain network with the weights that a path has in a trained supernet."""


class PathSearch:
    """Scores paths that a strategy proposes by what they inherit; resumes by replaying the run's log.

    `inherit` tells where weights come from once their training is finished; `curve` is the stage whose curve
    is shown as the search's.
    """

    name = "search"

    def __init__(
        self,
        task: Task,
        settings: PathSearchSettings,
        inherit: Callable[[Run], Inherit],
        *,
        curve: str = SupernetTraining.name,
    ) -> None:
        self._task = task
        self._settings = settings
        self._inherit = inherit
        self._curve = curve

    def run(self, run: Run, progress: Progress) -> Json:
        """The path with the best validation accuracy, and the curve of the supernet's training."""
        task = self._task
        problem = Problem(
            task.blueprint.space, (Objective("valid_accuracy", "max"),), (Fidelity(0),), task.limits
        )
        inherited = InheritedEstimator(
            self._inherit(run), task.splits.search_train, task.splits.search_valid, fabric=task.fabric
        )
        study = Study(
            problem,
            self.strategy(run, problem),
            limited(inherited, task),
            run=run,
            stage=self.name,
            budget=self._budget(),
            seed=task.seed,
            progress=progress,
        )
        best = study.run().best
        if best is None:
            raise NasturtiumError("no path could be scored; the trials' errors are in the run's log")
        return {
            "architecture": json.loads(best.proposal.arch.to_json()),
            "trial": best.id,
            "shared_accuracy": best.measurement.metrics["valid_accuracy"],
            "curve": run.stages()[self._curve].payload["curve"],
        }

    def strategy(self, run: Run, problem: Problem) -> Strategy:
        """What proposes the paths."""
        strategy = STRATEGIES.get(self._settings.strategy)
        return strategy(problem, seed=seed_for(self._task.seed, "strategy"))

    def _budget(self) -> Budget:
        whole = self._task.budget
        if whole.unit == "seconds":
            return Budget(whole.amount * (1 - self._settings.training_share), "seconds")
        return Budget(self._settings.paths, "trials")


def path_stages(
    task: Task,
    sampler: Sampler,
    *,
    distil: Distillation | None = None,
    settings: PathSearchSettings = PATH_SETTINGS,
) -> list[Stage]:
    """Measure and write down the pace, train the supernet at it, search over it.

    `sampler`, `distil` and `settings` are as in `SupernetTraining`. Raises `UsageError` for a space or
    settings that can't be used, before anything is spent.
    """
    training = SupernetTraining(task, sampler, distil=distil, settings=settings)
    sampler(*training.fresh())  # what can't be trained is refused before anything is spent
    return searched(task, training)


def searched(task: Task, training: SupernetTraining, search: type[PathSearch] = PathSearch) -> list[Stage]:
    """Measure and write down the pace of `training`, train at it, search over what it leaves."""

    def inherit(run: Run) -> Inherit:
        return partial(derive, training.trained(run).net)

    return [Timing(training), training, search(task, training.settings, inherit)]
