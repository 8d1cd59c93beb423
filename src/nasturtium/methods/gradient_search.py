"""The stage of differentiable methods.

A supernet, a relaxation, alternating updates, a derived architecture.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

from nasturtium.core.errors import CannotRelax, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import Json, Task, able
from nasturtium.methods.pace import Pace, seconds_per_step
from nasturtium.oneshot.arch_step import ArchStep
from nasturtium.oneshot.bilevel import Bilevel, BilevelSettings, Penalty
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

MOST_EPOCHS = 50  # the authors' number on CIFAR-10
LONG_SEARCH = 10_000  # steps from which on the authors' step size for the architecture is used as it is


class GradientSearch:
    """Searches with a bilevel optimisation; resumes from the checkpoint of the last finished epoch.

    `arch_step` and `penalties` are as in `Bilevel`; `defaults` are the method's own search settings, which a
    person may change. Raises `CannotRelax` for a space that the relaxation can't search.
    """

    name = "search"

    def __init__(
        self,
        task: Task,
        relaxation: Relaxation,
        arch_step: ArchStep | None,
        *,
        penalties: Sequence[Penalty] = (),
        defaults: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        if task.budget.unit == "trials":
            raise UsageError(
                "a gradient search has no trials: give its budget as time ('10m') or as '20 epochs'"
            )
        if "epochs" in task.searching:
            raise UsageError("the number of epochs of a search is its budget: give it as '20 epochs'")
        self._task = task
        self._relaxation = relaxation
        self._arch_step = arch_step
        self._penalties = penalties
        self._settings = BilevelSettings.parse({"mirror": task.mirror, **defaults, **task.searching})
        self._bilevel(self._settings)  # what can't be searched is refused before anything is spent

    def _bilevel(self, settings: BilevelSettings) -> Bilevel:
        task = self._task
        try:
            supernet = Supernet(task.blueprint, self._relaxation, seed=seed_for(task.seed, "supernet"))
            return Bilevel(
                supernet,
                self._arch_step,
                settings,
                fabric=task.fabric,
                seed=task.seed,
                penalties=self._penalties,
            )
        except CannotRelax as error:
            raise CannotRelax(
                f"{error}; methods that run one path at a time can search this space ({able('path')}), as can"
                f" those that train each architecture ({able('training')})"
            ) from None

    def run(self, run: Run, progress: Progress) -> Json:
        """The derived architecture and the curve of the search."""
        splits = self._task.splits
        pace = Pace.of(run)
        settings = self._for(pace)
        known = len(run.epochs(self.name))
        best = 0.0
        progress.start(self.name, pace.epochs, "epochs")

        def on_epoch(epoch: SearchEpoch) -> None:
            nonlocal best
            best = max(best, epoch.valid_accuracy)
            if epoch.epoch > known:
                run.epoch(self.name, figures(epoch), cost=Cost.from_dict(epoch.cost))
            progress.advance(
                epoch.epoch,
                loss=epoch.train_loss,
                valid_accuracy=epoch.valid_accuracy,
                best_valid_accuracy=best,
            )

        try:
            found = self._bilevel(settings).run(
                splits.search_train,
                splits.search_valid,
                steps=pace.steps,
                checkpoints=Checkpoints(run.path("checkpoints"), "search"),
                on_epoch=on_epoch,
            )
        finally:
            progress.finish()
        return {
            "architecture": json.loads(found.architecture.to_json()),
            "curve": [asdict(epoch) for epoch in found.curve],
            "settings": settings.model_dump(),
        }

    def pace(self, progress: Progress) -> Pace:
        """How many epochs and steps the budget allows."""
        splits, settings, budget = self._task.splits, self._settings, self._task.budget
        pass_steps = max(len(splits.search_train) // settings.batch_size, 1)
        if budget.unit == "epochs":
            return Pace(max(int(budget.amount), 1), pass_steps)
        progress.say("timing a few steps of the search")
        one = self._bilevel(settings.model_copy(update={"epochs": 1}))
        step_seconds = seconds_per_step(lambda n: one.run(splits.search_train, splits.search_valid, steps=n))
        pace = Pace.within(
            budget.amount, step_seconds=step_seconds, pass_steps=pass_steps, most_epochs=MOST_EPOCHS
        )
        return pace.advise(progress, pass_steps=pass_steps, sizes="--search-net")

    def _for(self, pace: Pace) -> BilevelSettings:
        """The settings for this many steps: in a short search the architecture takes larger steps."""
        update: dict[str, float] = {"epochs": pace.epochs}
        if "alpha_learning_rate" not in self._task.searching:
            factor = min(max(LONG_SEARCH / (pace.epochs * pace.steps), 1.0), 10.0)
            update["alpha_learning_rate"] = factor * self._settings.alpha_learning_rate
        return self._settings.model_copy(update=update)


def figures(epoch: SearchEpoch) -> Mapping[str, float]:
    """The figures of an epoch, for the run's log."""
    return {
        "epoch": epoch.epoch,
        "train_loss": epoch.train_loss,
        "train_accuracy": epoch.train_accuracy,
        "valid_loss": epoch.valid_loss,
        "valid_accuracy": epoch.valid_accuracy,
    }
