import math

import pytest

from nasturtium.core.errors import Diverged, UsageError
from nasturtium.problem.objectives import Objective
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
