from collections import Counter

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.reinforce import Reinforce

SPACE = SearchSpace([Decision("arm", ("a", "b", "c"))])


def problem(*metrics: str) -> Problem:
    return Problem(SPACE, tuple(Objective(metric, "max") for metric in metrics), (Fidelity(1),))


def pull(result, *, trials=150, seed=0):
    """How often each arm was among the last 50."""
    strategy = Reinforce(problem("reward"), seed=seed, learning_rate=0.02)
    arms = []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        arms.append(proposal.arch["arm"])
        strategy.tell([result(number, proposal)])
    return Counter(arms[-50:])


def test_it_finds_the_best_arm():
    def result(number, proposal):
        return Trial(number, proposal, "ok", ({"a": 0.5, "b": -0.5, "c": 0.0}[proposal.arch["arm"]],))

    assert pull(result)["b"] > 40


def test_it_learns_to_keep_the_limits():
    """Arm a would be the best, but is over the limit."""

    def result(number, proposal):
        if proposal.arch["arm"] == "a":
            return Trial(number, proposal, "infeasible", violation=1.0)
        return Trial(number, proposal, "ok", ({"b": 5.0, "c": 5.1}[proposal.arch["arm"]],))

    assert pull(result)["a"] < 5


def test_failures_teach_nothing():
    def result(number, proposal):
        return Trial(number, proposal, "failed")

    assert len(pull(result)) == 3


def test_several_objectives_are_refused():
    with pytest.raises(UsageError, match="one objective, or use nsga2"):
        Reinforce(problem("accuracy", "speed"))
