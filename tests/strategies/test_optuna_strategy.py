import importlib
import subprocess
import sys

import numpy as np
import optuna
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Limit, Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.optuna.strategy import OptunaStrategy

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(6)), ordered=i % 2 == 0) for i in range(4)])
LIMITS = (Limit("size", 1.0),)
ONE = Problem(SPACE, (Objective("a", "min"),), (Fidelity(1),), LIMITS)
TWO = Problem(SPACE, (Objective("a", "min"), Objective("b", "min")), (Fidelity(1),), LIMITS)
SAMPLERS = ("gp", "nsga2", "random", "tpe")


def losses(proposal: Proposal, objectives: int = 1) -> tuple[float, ...]:
    values = np.array(list(proposal.arch.values()), float)
    return tuple([float(values.sum()), float((values[0] - 5) ** 2)][:objectives])


def play(problem: Problem, trials: int, **options) -> list[Trial]:
    """Two run at a time, of which the later ends first; every sixth fails, every fifth is over a limit."""
    strategy, told, running = OptunaStrategy(problem, **options), [], []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        trial = Trial(number, proposal, "ok", losses(proposal, len(problem.objectives)))
        if number % 6 == 5:
            trial = Trial(number, proposal, "failed")
        elif number % 5 == 4:
            trial = Trial(number, proposal, "infeasible", violation=0.5)
        running.append(trial)
        if len(running) == 2:
            strategy.tell([running.pop()])
            told.append(trial)
    strategy.tell(running)
    return told


@pytest.mark.parametrize("problem", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_repeats_itself_with_one_and_two_objectives(sampler, problem):
    first, again = (play(problem, 16, sampler=sampler, seed=4) for _ in range(2))
    assert first == again
    assert all(trial.proposal.arch in SPACE for trial in first)
    assert first != play(problem, 16, sampler=sampler, seed=5)


def test_an_optuna_study_of_ones_own_suggests_the_same():
    """With one sampler, and the same trials told."""
    strategy = OptunaStrategy(ONE, sampler=optuna.samplers.TPESampler(seed=7))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=7))
    for number in range(40):
        (proposal,) = strategy.ask(1)
        trial = study.ask()
        values = [
            trial.suggest_int(name, 0, 5) if i % 2 == 0 else trial.suggest_categorical(name, tuple(range(6)))
            for i, name in enumerate(SPACE.decisions)
        ]
        assert list(proposal.arch.values()) == values
        strategy.tell([Trial(number, proposal, "ok", losses(proposal))])
        study.tell(trial, losses(proposal)[0])


def test_without_limits_there_are_no_constraints():
    strategy = OptunaStrategy(Problem(SPACE, ONE.objectives, ONE.fidelities))
    (proposal,) = strategy.ask(1)
    strategy.tell([Trial(0, proposal, "ok", (1.0,))])
    assert strategy._study.trials[0].constraints == {}


def test_a_sampler_of_ones_own_is_copied():
    mine = optuna.samplers.RandomSampler(seed=1)
    one, other = (play(ONE, 5, sampler=mine) for _ in range(2))
    assert one == other


def test_what_is_told_is_in_the_study():
    strategy = OptunaStrategy(TWO)
    first, second, third, fourth = strategy.ask(4)
    strategy.tell([Trial(3, fourth, "ok", (3.0, -4.0)), Trial(1, second, "failed")])
    strategy.tell([Trial(2, third, "infeasible", violation=0.25), Trial(0, first, "ok", (1.0, -1.0))])
    states = [trial.state.name for trial in strategy._study.trials]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert [trial.values for trial in strategy._study.trials] == [[1, -1], None, [3, -4], [3, -4]]
    violations = [trial.constraints.get("violation") for trial in strategy._study.trials]
    assert violations == [0.0, None, 0.25, 0.0]
    assert [trial.values for trial in strategy._study.best_trials] == [[1, -1], [3, -4]]


def test_broken_constraints_are_told_and_never_proposed():
    names = frozenset(SPACE.decisions)
    even = Rule("an even sum", names, lambda values: sum(values.values()) % 2 == 0)
    space = SearchSpace(list(SPACE.decisions.values()), constraints=[even])
    strategy = OptunaStrategy(Problem(space, ONE.objectives, ONE.fidelities), sampler="random")
    proposals = strategy.ask(20)
    assert all(proposal.arch in space for proposal in proposals)
    told = [trial for trial in strategy._study.trials if trial.state.is_finished()]
    assert all(trial.constraints == {"violation": 1.0} for trial in told)
    assert all(sum(trial.params.values()) % 2 == 1 for trial in told)
    assert len(strategy._study.trials) == 20 + len(told) > 20


def test_where_a_constraint_is_hardly_ever_met_the_space_decides():
    names = frozenset(SPACE.decisions)
    rare = Rule("all are 5", names, lambda values: set(values.values()) == {5})
    space = SearchSpace(list(SPACE.decisions.values()), constraints=[rare])
    strategy = OptunaStrategy(Problem(space, ONE.objectives, ONE.fidelities), sampler="random", seed=1)
    (proposal,) = strategy.ask(1)
    assert set(proposal.arch.values()) == {5}
    assert strategy._study.trials[-1].params == {**proposal.arch}
    strategy.tell([Trial(0, proposal, "ok", (1.0,))])
    assert strategy._study.best_params == {**proposal.arch}


def test_optuna_is_no_louder_and_no_quieter_than_before(capfd):
    before = optuna.logging.get_verbosity()
    play(ONE, 15)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_unknown_samplers_are_refused():
    with pytest.raises(UsageError, match="unknown sampler 'tpee' of Optuna: did you mean 'tpe'"):
        OptunaStrategy(ONE, sampler="tpee")
    with pytest.raises(UsageError, match="unknown sampler 3"):
        OptunaStrategy(ONE, sampler=3)


def test_without_optuna_it_says_how_to_install_it(monkeypatch):
    def without(name, *_):
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'")
        return real(name)

    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(UsageError, match=r"pip install 'nasturtium\[optuna\]'"):
        OptunaStrategy(ONE)


def test_an_older_optuna_is_refused(monkeypatch):
    monkeypatch.setattr(optuna, "__version__", "4.9.1")
    with pytest.raises(UsageError, match="Optuna 5 or newer, not 4.9.1"):
        OptunaStrategy(ONE)


def test_the_room_is_imported_without_optuna():
    code = (
        "import sys\n"
        "sys.modules['optuna'] = None\n"
        "from nasturtium.strategies.base import STRATEGIES\n"
        "assert 'optuna' in STRATEGIES.names()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
