import optuna
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Goal, Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Proposal
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.evolution import RegularizedEvolution
from nasturtium.strategies.optuna.sampler import StrategySampler
from nasturtium.tables.nasbench201 import SPACE
from space.space_examples import conditional, darts_like

NAMES = [name for name in STRATEGIES.names() if name != "optuna"]


@pytest.fixture(autouse=True)
def quiet():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    yield
    optuna.logging.set_verbosity(before)


def problem(space: SearchSpace, *goals: Goal) -> Problem:
    objectives = tuple(Objective(f"value {i}", goal) for i, goal in enumerate(goals or ("min",)))
    return Problem(space, objectives, (Fidelity(1),))


class Recorded(Strategy):
    """Writes down what it is asked and told; `inner` answers."""

    def __init__(self, inner: Strategy) -> None:
        super().__init__(inner.problem, seed=inner.seed)
        self.inner, self.calls = inner, []

    def ask(self, n: int) -> list[Proposal]:
        self.calls.append(self.inner.ask(n))
        return self.calls[-1]

    def tell(self, trials) -> None:
        self.calls.append(list(trials))
        self.inner.tell(trials)


def optimised(strategy: Strategy, trials: int) -> optuna.Study:
    """The loss is that of the architecture; every seventh trial fails, every fifth is over a limit."""
    sampler = StrategySampler(strategy)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        arch = sampler.parameters.suggest(trial)
        assert arch in strategy.problem.space
        if trial.number % 7 == 6:
            raise RuntimeError
        trial.set_constraint("size", 0.5 if trial.number % 5 == 4 else -1.0)
        return hash(arch) % 1000 / 1000

    study.optimize(objective, n_trials=trials, catch=RuntimeError)
    return study


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_proposes_what_it_does_when_asked_and_told_itself(name):
    searched = problem(SPACE)
    recorded = Recorded(STRATEGIES.get(name)(searched, seed=2))
    study = optimised(recorded, 30)
    assert len(study.trials) == 30
    replayed = STRATEGIES.get(name)(searched, seed=2)
    for number, (asked, told) in enumerate(zip(recorded.calls[::2], recorded.calls[1::2], strict=True)):
        assert replayed.ask(1) == asked
        assert [trial.id for trial in told] == [number]
        assert told[0].proposal == asked[0]
        replayed.tell(told)


def test_trials_are_told_as_what_they_became():
    recorded = Recorded(RegularizedEvolution(problem(darts_like())))
    study = optimised(recorded, 21)
    told = [call[0] for call in recorded.calls[1::2]]
    for number, (trial, known) in enumerate(zip(told, study.trials, strict=True)):
        if number % 7 == 6:
            assert (trial.status, trial.losses, trial.error) == ("failed", (), "the trial is fail")
        elif number % 5 == 4:
            assert (trial.status, trial.losses, trial.violation) == ("infeasible", (), 0.5)
        else:
            assert (trial.status, trial.losses) == ("ok", tuple(known.values))


def test_the_studys_directions_are_the_strategys():
    recorded = Recorded(RegularizedEvolution(problem(conditional(), "max", "min")))
    sampler = StrategySampler(recorded)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    trial = study.ask()
    sampler.parameters.suggest(trial)
    study.tell(trial, (3.0, 4.0))
    assert recorded.calls[1][0].losses == (-3.0, 4.0)
    for directions in (["minimize", "minimize"], ["maximize"]):
        other = optuna.create_study(directions=directions, sampler=sampler)
        with pytest.raises(UsageError, match="the strategy max, min"):
            sampler.parameters.suggest(other.ask())


def test_other_parameters_may_be_suggested_beside_it():
    sampler = StrategySampler(RegularizedEvolution(problem(conditional())))
    study = optuna.create_study(sampler=sampler)

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
        return len(sampler.parameters.suggest(trial)) + rate

    study.optimize(objective, n_trials=20)
    assert len({trial.params["rate"] for trial in study.trials}) == 20
    assert study.best_trial.params["kind"] == "none"
    assert dict(sampler.parameters.architecture(study.best_params)) == {"kind": "none"}


def test_where_a_strategy_waits_a_random_architecture_runs_that_it_is_not_told():
    recorded = Recorded(STRATEGIES.get("genetic")(problem(darts_like()), population=2))
    sampler = StrategySampler(recorded)
    study = optuna.create_study(sampler=sampler)
    trials = [study.ask() for _ in range(3)]
    archs = [sampler.parameters.suggest(trial) for trial in trials]
    assert [len(call) for call in recorded.calls] == [1, 1, 0]
    assert archs[2] in darts_like()
    study.tell(trials[2], 0.0)
    study.tell(trials[1], 1.0)
    (told,) = recorded.calls[-1]
    assert (told.id, told.proposal.arch, told.losses) == (1, archs[1], (1.0,))
    assert len(recorded.calls) == 4


def test_a_finished_strategy_says_so():
    sampler = StrategySampler(STRATEGIES.get("grid")(problem(conditional())))
    study = optuna.create_study(sampler=sampler)
    with pytest.raises(UsageError, match="nothing more to propose after 10 trials"):
        study.optimize(lambda trial: len(sampler.parameters.suggest(trial)), n_trials=11)
    assert study.best_value == 1


def test_several_fidelities_are_refused():
    several = Problem(conditional(), (Objective("loss", "min"),), (Fidelity(1), Fidelity(3)))
    with pytest.raises(UsageError, match="has one fidelity"):
        StrategySampler(RegularizedEvolution(several))


def test_threads_share_it():
    recorded = Recorded(RegularizedEvolution(problem(darts_like())))
    sampler = StrategySampler(recorded)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: len(sampler.parameters.suggest(trial)), n_trials=40, n_jobs=4)
    told = [call[0].id for call in recorded.calls if call and not isinstance(call[0], Proposal)]
    assert sorted(told) == list(range(40))
