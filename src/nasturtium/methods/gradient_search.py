"""The stage of differentiable methods.

A supernet, a relaxation, alternating updates, a derived architecture.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from nasturtium.core.errors import UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import Json, Task
from nasturtium.methods.conclusion import conclude
from nasturtium.methods.epochs import epochs_told
from nasturtium.methods.pace import Pace, pace_of, refuse_other_budgets, seconds_per_step, steps_of_pass
from nasturtium.oneshot.arch_step import ArchStep
from nasturtium.oneshot.bilevel import Bilevel, Found, Stop
from nasturtium.oneshot.diagnostics import undecided
from nasturtium.oneshot.epochs import OnEpoch
from nasturtium.oneshot.penalties import Penalty
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

DARTS_SETTINGS = BilevelSettings()
LONG_SEARCH = 10_000  # steps from which on the authors' step size for the architecture is used as it is


class GradientSearch:
    """Searches with a bilevel optimisation; resumes from the checkpoint of the last finished epoch.

    `arch_step`, `penalties` and `stop` are as in `Bilevel`; `settings` are the method's, which a person may
    change. Where the method makes something else of what is found, nothing `concludes` here. Raises
    `CannotSearch` for a space that the relaxation can't search.
    """

    def __init__(
        self,
        task: Task,
        relaxation: Relaxation,
        arch_step: ArchStep | None,
        *,
        penalties: Sequence[Penalty] = (),
        settings: BilevelSettings = DARTS_SETTINGS,
        stop: Stop | None = None,
        name: str = "search",
        concludes: bool = True,
    ) -> None:
        refuse_other_budgets(task)
        self.name = name
        self._task = task
        self._relaxation = relaxation
        self._arch_step = arch_step
        self._penalties = penalties
        self._stop = stop
        self._concludes = concludes
        self.settings = settings.changed({"mirror": task.mirror, **task.searching})
        # what can't be searched is refused before anything is spent
        self._refuse_idle(self._loop(self.settings)[0])

    def _refuse_idle(self, supernet: Supernet) -> None:
        """Raise `UsageError` for a setting that would change nothing here."""
        asked, settings = self._task.searching, self.settings
        if "skip_dropout" in asked and settings.skip_dropout and not supernet.skip_dropouts():
            raise UsageError("skip_dropout: no edge of this space has an identity among its operations")
        if "path_dropout" in asked and settings.path_dropout and not supernet.runs_several():
            raise UsageError(
                f"path_dropout: {type(self._relaxation).__name__} never runs several options of a decision of"
                " this space together, so that none can be dropped"
            )
        if "eigenvalue_every" in asked and settings.eigenvalue_every and not self._relaxation.twice:
            raise UsageError(
                f"eigenvalue_every: with {type(self._relaxation).__name__} a loss has no second derivatives"
                " by the architecture parameters, so that its curvature can't be measured"
            )

    def _loop(self, settings: BilevelSettings) -> tuple[Supernet, Bilevel]:
        task = self._task
        supernet = Supernet(
            task.blueprint,
            self._relaxation,
            seed=seed_for(task.seed, "supernet"),
            skip_dropout=settings.skip_dropout > 0,
        )
        return supernet, Bilevel(
            supernet,
            self._arch_step,
            settings,
            fabric=task.fabric,
            seed=task.seed,
            penalties=self._penalties,
            stop=self._stop,
        )

    def run(self, run: Run, progress: Progress) -> Json:
        """The derived architecture, the curve of the search, and what `conclude` says."""
        pace = Pace.of(run)
        settings = self._for(pace)
        with epochs_told(run, self.name, pace.epochs, progress) as on_epoch:
            supernet, found = self._search(run, settings, pace, on_epoch)
        payload = {
            "architecture": json.loads(found.architecture.to_json()),
            "curve": [asdict(epoch) for epoch in found.curve],
            "epoch": found.epoch,
            "settings": settings.model_dump(),
        }
        if not self._concludes:
            return payload
        remarks = [] if self._stop is None else [self._stop.remark(found.curve, pace.epochs)]
        remarks += filter(None, [undecided(found.curve[found.epoch - 1])])
        arch, task = found.architecture, self._task
        said = conclude(task, supernet, arch, run, progress, stage=self.name, remarks=remarks)
        return {**payload, **said}

    def _search(
        self, run: Run, settings: BilevelSettings, pace: Pace, on_epoch: OnEpoch
    ) -> tuple[Supernet, Found]:
        supernet, loop = self._loop(settings)
        found = loop.run(
            self._task.splits.search_train,
            self._task.splits.search_valid,
            steps=pace.steps,
            checkpoints=Checkpoints(run.path("checkpoints"), self.name),
            on_epoch=on_epoch,
        )
        return supernet, found

    def trained(self, run: Run) -> Supernet:
        """The supernet of a finished search; what its checkpoint lacks is searched again."""
        pace = Pace.of(run)
        return self._search(run, self._for(pace), pace, lambda _: None)[0]

    def pace(self, progress: Progress) -> Pace:
        """How many epochs and steps the budget allows."""
        return pace_of([self], self._task.budget, progress)

    @property
    def pass_steps(self) -> int:
        """The steps of a pass over the search-train split."""
        return steps_of_pass(self._task.splits.search_train, self.settings.batch_size)

    def step_seconds(self) -> float:
        """Seconds of a step, measured now, with its part of what measuring the curvature takes."""
        plain, every = self._step_seconds(), self.settings.eigenvalue_every
        if every == 0:
            return plain
        without, with_it = (self._step_seconds(eigenvalue_every=n, together=2) for n in (0, 1))
        measuring = 2 * (with_it - without)  # once in two timed steps
        return plain + max(measuring, 0.0) / (every * self.pass_steps)

    def _step_seconds(self, *, eigenvalue_every: int = 0, together: int = 20) -> float:
        splits = self._task.splits
        changes = {"epochs": 1, "eigenvalue_every": eigenvalue_every}
        _, one = self._loop(self.settings.model_copy(update=changes))
        return seconds_per_step(
            lambda n: one.run(splits.search_train, splits.search_valid, steps=n), together=together
        )

    def _for(self, pace: Pace) -> BilevelSettings:
        """The settings for this many steps: in a short search the architecture takes larger steps."""
        update: dict[str, float] = {"epochs": pace.epochs}
        if "alpha_learning_rate" not in self._task.searching:
            factor = min(max(LONG_SEARCH / (pace.epochs * pace.steps), 1.0), 10.0)
            update["alpha_learning_rate"] = factor * self.settings.alpha_learning_rate
        return self.settings.model_copy(update=update)
