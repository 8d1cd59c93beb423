import pytest

from nasturtium.bench.entrants import entrants
from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.strategies.evolution import RegularizedEvolution
from nasturtium.tables.nasbench201 import SPACE

PROBLEM = Problem(SPACE, (Objective("a", "min"),), (Fidelity(1),))


def test_options_stand_behind_the_name():
    found = entrants(["evolution", "evolution:population=7:sample=3", "nsga2"])
    assert list(found) == ["evolution", "evolution:population=7:sample=3", "nsga2"]
    made = found["evolution:population=7:sample=3"](PROBLEM, 5)
    assert isinstance(made, RegularizedEvolution)
    assert (made.seed, made._size, made._sample) == (5, 7, 3)


def test_values_are_of_the_defaults_kind():
    made = entrants(["genetic:crossing=1", "random:replace=true", "evolution:mutation=any"])
    assert isinstance(made["genetic:crossing=1"](PROBLEM, 0)._crossing, float)
    assert made["random:replace=true"](PROBLEM, 0)._replace is True
    assert made["evolution:mutation=any"](PROBLEM, 0)._size == 50


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["evolution", "randm"], "did you mean 'random'"),
        (["grid", "grid"], "'grid' is listed twice"),
        (["evolution:size=3"], "'evolution' has no option 'size': known: mutation, population, sample"),
        (["evolution:popluation=3"], "did you mean 'population'"),
        (["evolution:seed=3"], "no option 'seed'"),
        (["evolution:population=many"], "evolution:population is 50 by default; 'many' is no int"),
        (["random:replace=3"], "random:replace is False by default; '3' is no bool"),
        (["evolution:population"], "name:option=value, got 'population'"),
    ],
)
def test_what_is_wrong_is_said(names, said):
    with pytest.raises(UsageError, match=said):
        entrants(names)
