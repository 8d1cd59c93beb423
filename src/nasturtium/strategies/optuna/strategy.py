"""What a sampler of Optuna suggests (Akiba et al. 2019, https://arxiv.org/abs/1907.10902)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import numpy as np

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.optuna.needed import optuna_module
from nasturtium.strategies.optuna.parameters import Parameters

if TYPE_CHECKING:
    import optuna
    from optuna.samplers import BaseSampler

TRIES = 100  # suggestions in a row that break a constraint of the space, before one is drawn from the space


@STRATEGIES.register(
    "optuna",
    summary="what a sampler of Optuna suggests; needs nasturtium[optuna]",
    paper="https://arxiv.org/abs/1907.10902",
)
class OptunaStrategy(Strategy):
    """Asks and tells an Optuna study in memory; `Parameters` says how decisions become its parameters.

    `sampler` is "tpe" (the tree-structured Parzen estimator, Bergstra et al. 2011), "nsga2", "gp" (Gaussian
    processes; slow, needs torch) or "random", each with Optuna's defaults and our seed, or one of yours.
    Of yours a copy is used as it is: give it a seed of its own if the search is to be repeated or resumed.

    Failed trials are told as failed, which samplers ignore. The violation of limits is told as a constraint
    of Optuna's, with the worst losses so far in place of those that a trial over a limit does not have.
    Suggestions that break a constraint of the space are told in the same way at once, with a violation of 1,
    and the sampler is asked again, up to 100 times; then a random architecture takes its turn. Several trials
    may run, and an architecture may come again. It never waits.

    Raises `UsageError` if Optuna 5 is not installed, for an unknown sampler, and for spaces that `Parameters`
    refuses.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, sampler: str | BaseSampler = "tpe") -> None:
        super().__init__(problem, seed=seed)
        self._rng = np.random.default_rng(seed)
        self._optuna = optuna_module()
        self._parameters = Parameters(problem.space)
        made = self._sampler(sampler)
        directions = ["minimize"] * len(problem.objectives)
        with _quiet():
            self._study: optuna.Study = self._optuna.create_study(directions=directions, sampler=made)
        self._limited = bool(problem.limits or problem.space.constraints)
        self._worst = [0.0] * len(problem.objectives)
        self._running: dict[int, optuna.Trial] = {}
        self._asked = self._told = 0

    def _sampler(self, sampler: str | BaseSampler) -> BaseSampler:
        known = self._optuna.samplers
        seed = int(self._rng.integers(2**32))
        makers: dict[str, Callable[[], BaseSampler]] = {
            "gp": lambda: known.GPSampler(seed=seed, warn_independent_sampling=False),
            "nsga2": lambda: known.NSGAIISampler(seed=seed),
            "random": lambda: known.RandomSampler(seed=seed),
            "tpe": lambda: known.TPESampler(seed=seed),
        }
        if isinstance(sampler, str) and sampler in makers:
            return makers[sampler]()
        if isinstance(sampler, known.BaseSampler):
            return cast("BaseSampler", copy.deepcopy(sampler))
        raise UsageError(f"unknown sampler {sampler!r} of Optuna: {did_you_mean(sampler, makers)}")

    def ask(self, n: int) -> list[Proposal]:
        """`n` suggestions."""
        return [Proposal(self._next()) for _ in range(n)]

    def _next(self) -> Architecture:
        for _ in range(TRIES):
            trial = self._study.ask()
            arch = self._parameters.suggest(trial)
            if self.problem.space.why_not(arch) is None:
                break
            self._finish(trial, self._worst, violation=1.0)
        else:
            arch = self.problem.space.sample(self._rng)
            self._study.enqueue_trial(self._parameters.of(arch))
            trial = self._study.ask()
            self._parameters.suggest(trial)
        self._running[self._asked] = trial
        self._asked += 1
        return arch

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results are told to the study."""
        for told in trials:
            trial = self._running.pop(told.id)
            if told.status == "ok":
                losses = list(told.losses)
                self._worst = list(map(max, self._worst, losses)) if self._told else losses
                self._told += 1
                self._finish(trial, losses, told.violation)
            elif told.status == "infeasible":
                self._finish(trial, self._worst, told.violation)
            else:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _finish(self, trial: optuna.Trial, losses: list[float], violation: float) -> None:
        if self._limited or violation > 0:  # where one trial has a constraint, some samplers ask all for it
            trial.set_constraint("violation", violation)
        self._study.tell(trial, losses)


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna announces a new study; whatever it says later is as loud as a person has set it."""
    logging = optuna_module().logging
    before = logging.get_verbosity()
    logging.set_verbosity(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.set_verbosity(before)
