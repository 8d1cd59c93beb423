"""The stage of black-box methods: a strategy proposes, each proposal is trained briefly, the best is kept."""

import json
from collections.abc import Callable

from nasturtium.core.errors import NasturtiumError
from nasturtium.core.seeds import seed_for
from nasturtium.estimators.train import TrainEstimator
from nasturtium.methods.base import Json, Task
from nasturtium.methods.limits import limited
from nasturtium.methods.pace import Pace, steps_of_pass, time_training
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.strategies.rungs import geometric
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.study.study import Study

TRIALS = 10  # as many brief trainings at least should fit into a time budget
MOST_EPOCHS = 8  # of a brief training


class TrainingSearch:
    """Searches by ask and tell over trained architectures; resumes by replaying the run's log.

    The full fidelity is a training at the run's pace, those below it are thirds of its epochs and so on, down
    to one. Raises `UsageError`, before anything is spent, if the strategy can't search the space.
    """

    name = "search"

    def __init__(self, task: Task, strategy: Callable[..., Strategy]) -> None:
        self._task = task
        self._strategy = strategy
        self._proposing(1)

    def run(self, run: Run, progress: Progress) -> Json:
        """The architecture with the best validation accuracy."""
        task = self._task
        pace = Pace.of(run)
        strategy = self._proposing(pace.epochs)
        training = TrainEstimator(
            task.blueprint,
            task.splits.search_train,
            task.splits.search_valid,
            task.training,
            epochs=pace.epochs,
            fabric=task.fabric,
            steps=pace.steps,
        )
        study = Study(
            strategy.problem,
            strategy,
            limited(training, task),
            run=run,
            stage=self.name,
            budget=task.budget,
            seed=task.seed,
            progress=progress,
        )
        best = study.run().best
        if best is None:
            raise NasturtiumError("no architecture could be trained; the trials' errors are in the run's log")
        return {"architecture": json.loads(best.proposal.arch.to_json()), "trial": best.id}

    def _proposing(self, epochs: int) -> Strategy:
        """The strategy, for full trainings of so many epochs."""
        objectives = (Objective("valid_accuracy", "max"),)
        problem = Problem(self._task.blueprint.space, objectives, geometric(epochs), self._task.limits)
        return self._strategy(problem, seed=seed_for(self._task.seed, "strategy"))

    def pace(self, progress: Progress) -> Pace:
        """How long each proposal is trained."""
        task = self._task
        pass_steps = steps_of_pass(task.splits.search_train, task.training.batch_size)
        if task.budget.unit != "seconds":
            return Pace(MOST_EPOCHS, pass_steps)
        progress.say("timing a few steps of training")
        step_seconds = time_training(task.blueprint, task.splits.search_train, task)
        return Pace.within(
            task.budget.amount / TRIALS,
            step_seconds=step_seconds,
            pass_steps=pass_steps,
            most_epochs=MOST_EPOCHS,
        )
