"""The search loop: ask, evaluate, tell, with every step in the log before it is acted on.

A strategy is a pure function of its seed and the events, so the log is the state: a study that starts on a
run which already has events replays them, evaluates again what was asked but never told, and goes on.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from nasturtium.core.errors import NasturtiumError, StorageError, UsageError, did_you_mean
from nasturtium.core.seeds import seed_for
from nasturtium.core.version import VERSION
from nasturtium.problem.protocols import Estimator, Job, Problem, Report, Strategy
from nasturtium.problem.records import Cost, Fidelity, Proposal, Trial
from nasturtium.study.budget import Budget
from nasturtium.study.events import Asked, Told, TrialRecord
from nasturtium.study.executors.base import Executor, Outcome
from nasturtium.study.executors.inline import InlineExecutor
from nasturtium.study.progress import SILENT, Progress
from nasturtium.study.run import Run

HOPELESS = 3  # so many failures and not one success: something general is wrong
ENOUGH_OVER = 1000  # trials over a limit in a row end a search, since they hardly use its budget
TOO_MANY = 50  # failures in a row after a success; a budget of epochs would never be spent


@dataclass(frozen=True)
class StudyResult:
    """All trials in the order of their numbers, and the best.

    The best is the successful trial with the smallest losses (the first objective decides, then the second)
    among those at the highest fidelity; None if all failed.
    """

    best: Trial | None
    trials: tuple[Trial, ...]


class Study:
    """One strategy's search as a stage of a run.

    Raises `UsageError` if the estimator doesn't measure what the problem optimises. `seed` is the seed of the
    evaluations: trial `i` is evaluated with `seed_for(seed, "trial", i)`, and what continues it, too.
    """

    def __init__(
        self,
        problem: Problem,
        strategy: Strategy,
        estimator: Estimator,
        *,
        run: Run,
        stage: str,
        budget: Budget,
        seed: int,
        progress: Progress = SILENT,
        executor: Callable[[Estimator, Report], Executor] = InlineExecutor,
    ) -> None:
        for what, wanted in (("objective", problem.objectives), ("limit", problem.limits)):
            for metric in (each.metric for each in wanted):
                if metric not in estimator.metrics:
                    known = did_you_mean(metric, estimator.metrics)
                    raise UsageError(f"nothing measures the {what} {metric!r}: {known}")
        self._problem, self._strategy, self._estimator = problem, strategy, estimator
        self._run, self._stage, self._budget, self._seed = run, stage, budget, seed
        self._progress, self._executor = progress, executor
        self._pending: dict[int, Proposal] = {}  # asked, not told
        self._trials: dict[int, Trial] = {}  # told, in the order in which the results came
        self._best: Trial | None = None
        self._failures = 0  # in a row, as are
        self._over = 0  # trials over a limit
        self._cost = Cost()
        self._waiting = False  # the strategy wants a tell before it is asked again

    def run(self) -> StudyResult:
        """Search until the budget is spent, the strategy is finished, or a thousand trials in a row are over
        a limit, which cost next to nothing.

        Raises `StorageError` if the log was made by another strategy, `NasturtiumError` if the first three
        evaluations all fail or no trial keeps the limits.
        """
        self._replay()
        self._progress.start(self._stage, int(self._budget.amount), self._budget.unit)
        try:
            with closing(self._executor(self._estimator, self._report)) as executor:
                self._search(executor)
        finally:
            self._progress.finish()
        self._refuse_impossible()
        return StudyResult(self._best, tuple(self._trials[i] for i in sorted(self._trials)))

    def _search(self, executor: Executor) -> None:
        for number in self._pending:
            executor.submit(self._job(number))
        while True:
            for number in self._ask(executor.slots):
                executor.submit(self._job(number))
            if not self._pending:
                return
            self._tell(executor.wait())
            self._refuse_hopeless()

    # --- live: decide, commit, act
    def _ask(self, slots: int) -> range:
        """Asks for as many trials as there are free slots, commits the answer, and returns their numbers."""
        n, first = slots - len(self._pending), len(self._trials) + len(self._pending)
        if self._budget.unit == "trials":
            n = min(n, int(self._budget.amount) - first)
        ended = self._over >= ENOUGH_OVER or self._budget.spent_by(self._cost, first)
        if n <= 0 or self._waiting or ended:
            return range(0)
        began = time.perf_counter()
        proposals = tuple(self._strategy.ask(n))
        asked = Asked(self._stage, n, first, proposals, time.perf_counter() - began)
        self._refuse_invalid(asked)
        self._run.commit(asked, trials=[self._record(first + i, p) for i, p in enumerate(proposals)])
        self._see_asked(asked)
        return range(first, first + len(proposals))

    def _tell(self, outcome: Outcome) -> None:
        """Judges an outcome, commits it as a trial, and tells the strategy."""
        record = replace(
            self._record(outcome.trial, self._pending[outcome.trial]), measurement=outcome.measurement
        )
        metrics = outcome.measurement.metrics
        try:
            if outcome.error is not None:
                record = replace(record, status="failed", error=outcome.error)
            elif self._problem.violation(metrics) > 0:
                record = replace(record, status="infeasible", error=self._problem.exceeded(metrics))
            else:
                record = replace(record, status="ok", losses=self._problem.losses(metrics))
        except NasturtiumError as error:
            record = replace(record, status="failed", error=str(error))
        told = Told(self._stage, record)
        self._run.commit(told, trials=[record])
        self._see_told(told)
        self._show()

    def _record(self, number: int, proposal: Proposal) -> TrialRecord:
        return TrialRecord(self._stage, number, arch=proposal.arch, fidelity=self._fidelity(proposal))

    # --- live or replayed: what an event changes
    def _replay(self) -> None:
        for event in self._run.events():
            if event.stage == self._stage and isinstance(event, Asked):
                again = tuple(self._strategy.ask(event.n))
                if again != event.proposals:
                    self._refuse_other(event, again)
                self._see_asked(event)
            elif event.stage == self._stage and isinstance(event, Told):
                self._see_told(event)

    def _see_asked(self, asked: Asked) -> None:
        self._pending |= {asked.first + i: proposal for i, proposal in enumerate(asked.proposals)}
        self._cost += asked.cost
        self._waiting = len(asked.proposals) < asked.n

    def _see_told(self, told: Told) -> None:
        over = told.trial.status == "infeasible"
        violation = self._problem.violation(told.trial.measurement.metrics) if over else 0.0
        trial = told.trial.as_trial(self._pending.pop(told.trial.number), violation)
        self._trials[trial.id] = trial
        self._cost += told.cost
        self._waiting = False
        if trial.status == "ok":
            self._failures = self._over = 0
            self._best = trial if self._best is None else min(self._best, trial, key=self._rank)
        elif over:
            self._over += 1
        else:
            self._failures += 1
        self._strategy.tell([trial])

    def _rank(self, trial: Trial) -> tuple[int, tuple[float, ...], int]:
        return -self._fidelity(trial.proposal).epochs, trial.losses, trial.id

    # --- refusals
    def _refuse_other(self, asked: Asked, again: tuple[Proposal, ...]) -> None:
        raise StorageError(
            f"run {self._run.name!r} can't be continued: from trial {asked.first} of stage {self._stage!r} "
            f"on its log holds {_names(asked.proposals)}, but the strategy now proposes {_names(again)}. The "
            f"strategy, its options or nasturtium (then {self._run.record.version}, now {VERSION}) have "
            "changed: use another --run name."
        )

    def _refuse_invalid(self, asked: Asked) -> None:
        who = type(self._strategy).__name__
        if len(asked.proposals) > asked.n:
            raise UsageError(f"{who} gave {len(asked.proposals)} proposals when asked for {asked.n}")
        for proposal in asked.proposals:
            reason = self._problem.space.why_not(proposal.arch)
            if reason is not None:
                raise UsageError(f"{who} proposed an architecture outside the space: {reason}")
            reason = self._not_continued(proposal)
            if reason is not None:
                raise UsageError(f"{who} proposed to continue trial {proposal.parent}, {reason}")

    def _not_continued(self, proposal: Proposal) -> str | None:
        """Why a proposal can't continue the training of its parent; None if it can, or has none."""
        if proposal.parent is None:
            return None
        parent = self._trials.get(proposal.parent)
        if parent is None or parent.status != "ok":
            return "which has not finished successfully"
        if parent.proposal.arch != proposal.arch:
            return f"which is of another architecture, with {proposal.arch.digest} ({dict(proposal.arch)})"
        had, wanted = self._fidelity(parent.proposal).epochs, self._fidelity(proposal).epochs
        return None if had < wanted else f"which has {had} epochs, to {wanted}"

    def _refuse_hopeless(self) -> None:
        """Only after a live tell, so that a resumed run gets another chance."""
        if self._failures >= (HOPELESS if self._best is None else TOO_MANY):
            *_, last = self._trials.values()
            raise NasturtiumError(
                f"the last {self._failures} evaluations of stage {self._stage!r} all failed, so the search "
                f"was stopped; the last one with: {last.error}"
            )

    def _refuse_impossible(self) -> None:
        over = [trial for trial in self._trials.values() if trial.status == "infeasible"]
        if over and self._best is None:
            nearest = min(over, key=lambda trial: trial.violation)
            raise NasturtiumError(
                f"none of {len(self._trials)} trials of stage {self._stage!r} kept the limits; the nearest"
                f" was number {nearest.id}: {nearest.error}. Raise the limits, or search smaller networks"
            )

    # --- small answers
    def _fidelity(self, proposal: Proposal) -> Fidelity:
        return proposal.fidelity or self._problem.fidelities[-1]

    def _job(self, number: int) -> Job:
        proposal = self._pending[number]
        parent = proposal.parent
        return Job(
            trial=number,
            arch=proposal.arch,
            fidelity=self._fidelity(proposal),
            seed=seed_for(self._seed, "trial", self._origin(number)),
            workdir=self._run.path(self._stage, str(number)),
            resume_from=None if parent is None else self._run.path(self._stage, str(parent)),
        )

    def _origin(self, number: int) -> int:
        """The trial that began the training which a pending one continues: itself, if it continues none."""
        parent = self._pending[number].parent
        while parent is not None:
            number, parent = parent, self._trials[parent].proposal.parent
        return number

    def _show(self) -> None:
        total = int(self._budget.amount)
        done = int(self._budget.fraction(self._cost, len(self._trials)) * self._budget.amount)
        figures: dict[str, float | str] = {"trials": len(self._trials)}
        if self._best is not None:
            metric = self._problem.objectives[0].metric
            figures[f"best {metric}"] = self._best.measurement.metrics[metric]
        self._progress.advance(min(done, total), **figures)

    def _report(self, epoch: int, figures: Mapping[str, float]) -> bool:
        """Nothing is stopped early; strategies over several fidelities ask for short trials instead."""
        return True


def _names(proposals: tuple[Proposal, ...]) -> str:
    return ", ".join(f"{p.arch.digest} ({dict(p.arch)})" for p in proposals) or "nothing"
