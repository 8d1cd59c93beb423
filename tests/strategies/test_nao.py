import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.nao import NAO

SPACE = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(10)])
PROBLEM = Problem(SPACE, (Objective("b's", "max"),), (Fidelity(1),))


def count(proposal):
    return sum(value == "b" for value in proposal.arch.values())


def found(strategy, trials):
    """How many b's each proposal has."""
    values = []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        values.append(count(proposal))
        strategy.tell([Trial(number, proposal, "ok", (-float(values[-1]),))])
    return values


def test_what_is_decoded_uphill_is_better_than_what_was_known():
    values = found(NAO(PROBLEM, initial=30, batch=10), 80)
    assert np.mean(values[30:40]) > np.mean(values[:30]) + 1, "after the first training"
    assert max(values) > max(values[:30])


def test_failures_alone_leave_it_random():
    strategy = NAO(PROBLEM, initial=5)
    for number in range(20):
        (proposal,) = strategy.ask(1)
        strategy.tell([Trial(number, proposal, "failed")])
    assert strategy._known == []


def test_several_objectives_are_refused():
    with pytest.raises(UsageError, match="one objective"):
        NAO(Problem(SPACE, (Objective("a", "min"), Objective("b", "min")), (Fidelity(1),)))


@pytest.mark.parametrize("options", [{"initial": 1}, {"batch": 0}, {"steps": 0}, {"trade": 1.0}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="nao takes"):
        NAO(PROBLEM, **options)
