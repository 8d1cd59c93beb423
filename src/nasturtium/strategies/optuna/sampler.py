"""Any strategy as a sampler of Optuna studies. Needs Optuna when it is imported."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.strategies.optuna.needed import optuna_module
from nasturtium.strategies.optuna.parameters import Parameter, Parameters

optuna_module()  # says how to install it

from optuna.samplers import BaseSampler, RandomSampler  # noqa: E402
from optuna.study import StudyDirection  # noqa: E402
from optuna.trial import TrialState  # noqa: E402

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial


class StrategySampler(BaseSampler):
    """Lets `strategy` decide the architectures of a study whose objective calls `parameters.suggest(trial)`.

    The strategy's objectives are the study's, in order and in the same directions. It is told every trial
    whose architecture it proposed: what the objective returned, or that it failed (pruned trials count as
    failed), and as the violation of limits the sum of the constraints that the objective has set above 0
    (`trial.set_constraint`). Where the strategy waits for results that still run, a random architecture is
    tried, which it is not told. Other parameters of the objective, such as a step size, are random.

    Equal strategies that are asked and told alike propose alike. They know the trials of this object only:
    not those that other processes or an earlier run put into the same storage.

    Raises `UsageError` for a strategy whose problem has several fidelities, as an objective would not learn
    which is proposed; sampling does for a study with other objectives, and when the strategy is finished.
    """

    def __init__(self, strategy: Strategy) -> None:
        if len(strategy.problem.fidelities) > 1:
            raise UsageError("a sampler's strategy has one fidelity: no objective is told which of several")
        self.parameters = Parameters(strategy.problem.space)
        self._strategy = strategy
        self._rng = np.random.default_rng(strategy.seed)
        self._others = RandomSampler(seed=int(self._rng.integers(2**32)))
        self._running: dict[int, tuple[int, Proposal]] = {}  # by the study's number of the trial
        self._asked = 0
        self._lock = threading.Lock()  # `Study.optimize(n_jobs=…)` calls from several threads

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All decisions of the space."""
        return self.parameters.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Parameter]:
        """The parameters of the next proposal; decisions that are switched off have none."""
        self._refuse_others(study)
        with self._lock:
            proposals = self._strategy.ask(1)
            if proposals:
                self._running[trial.number] = self._asked, proposals[0]
                self._asked += 1
                return self.parameters.of(proposals[0].arch)
            if self._running:
                return self.parameters.of(self.parameters.space.sample(self._rng))
        raise UsageError(f"the strategy has nothing more to propose after {self._asked} trials")

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Parameter:
        """A random value for a parameter that is no decision of the space."""
        value: Parameter = self._others.sample_independent(study, trial, param_name, param_distribution)
        return value

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tell the strategy."""
        with self._lock:
            if trial.number in self._running:
                number, proposal = self._running.pop(trial.number)
                self._strategy.tell([_told(number, proposal, study, trial, state, values)])

    def _refuse_others(self, study: Study) -> None:
        goals = [objective.goal for objective in self._strategy.problem.objectives]
        theirs = ["min" if d == StudyDirection.MINIMIZE else "max" for d in study.directions]
        if goals != theirs:
            raise UsageError(
                f"the study's objectives are {', '.join(theirs)}, those of the strategy {', '.join(goals)}"
            )


def _told(
    number: int,
    proposal: Proposal,
    study: Study,
    trial: FrozenTrial,
    state: TrialState,
    values: Sequence[float] | None,
) -> Trial:
    """What came of a proposal, as a strategy is told it."""
    if state != TrialState.COMPLETE or values is None:
        return Trial(number, proposal, "failed", error=f"the trial is {state.name.lower()}")
    violation = sum(max(value, 0.0) for value in trial.constraints.values())
    if violation > 0:
        return Trial(number, proposal, "infeasible", violation=violation)
    signs = [1 if direction == StudyDirection.MINIMIZE else -1 for direction in study.directions]
    return Trial(number, proposal, "ok", tuple(s * v for s, v in zip(signs, values, strict=True)))
