import math

import pytest

from nasturtium.core.errors import Diverged, UsageError
from nasturtium.problem.objectives import Limit, Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


def test_losses_are_smaller_for_the_better():
    objectives = (Objective("accuracy", "max"), Objective("latency", "min"))
    problem = Problem(SearchSpace([Decision("a", (1, 2))]), objectives, (Fidelity(1),))
    assert problem.losses({"accuracy": 0.9, "latency": 5.0, "other": 1.0}) == (-0.9, 5.0)


def test_a_metric_that_was_not_measured_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"'val_acuracy' was not measured: did you mean 'val_accuracy'"):
        Objective("val_acuracy", "max").loss({"val_accuracy": 0.5})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_number_counts_as_divergence(value):
    with pytest.raises(Diverged, match="accuracy"):
        Objective("accuracy", "max").loss({"accuracy": value})


def test_costs_add_up_field_by_field_and_come_back_from_plain_data():
    a, b = Cost(1.5, 1, 2, 3, 0.5, 4), Cost(0.25, 10, 20, 30, 1.0, 40)
    assert a + b == Cost(1.75, 11, 22, 33, 1.5, 44)
    measured = Measurement({"accuracy": 0.5}, a + b, ({"epoch": 1.0}, {"epoch": 2.0}))
    assert Measurement.from_dict(measured.to_dict()) == measured


LIMITS = (Limit("parameters", 100.0), Limit("flops", 1e6))


def limited() -> Problem:
    space = SearchSpace([Decision("a", (1, 2))])
    return Problem(space, (Objective("accuracy", "max"),), (Fidelity(1),), LIMITS)


def test_violations_are_shares_of_the_limits_and_add_up():
    problem = limited()
    assert problem.violation({"parameters": 100, "flops": 1e6}) == 0
    assert problem.violation({"parameters": 150, "flops": 1.0}) == pytest.approx(0.5)
    assert problem.violation({"parameters": 150, "flops": 3e6}) == pytest.approx(0.5 + 2)
    assert problem.exceeded({"parameters": 1500, "flops": 3e6}) == (
        "1,500 is more than parameters ≤ 100 and 3,000,000 is more than flops ≤ 1,000,000"
    )


def test_what_was_not_measured_keeps_no_limit_but_need_not_be_known_of_the_impossible():
    problem = limited()
    assert problem.violation({"parameters": 150}) == pytest.approx(0.5)
    with pytest.raises(UsageError, match="'flops' was not measured"):
        problem.violation({"parameters": 50})
    with pytest.raises(Diverged):
        problem.violation({"parameters": math.inf, "flops": 1.0})


@pytest.mark.parametrize("most", [0, -1.0, math.inf, math.nan])
def test_a_limit_that_allows_nothing_or_everything_is_refused(most):
    with pytest.raises(UsageError, match="limit 'parameters': the most allowed is a number above 0"):
        Limit("parameters", most)
