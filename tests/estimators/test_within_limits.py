from pathlib import Path

from nasturtium.estimators.within_limits import WithinLimits
from nasturtium.problem.objectives import Limit
from nasturtium.problem.protocols import Estimator, Job
from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.space.architecture import Architecture


class Counting(Estimator):
    metrics = ("score", "parameters")

    def __init__(self):
        self.asked = 0

    def evaluate(self, job, report):
        self.asked += 1
        return Measurement({"score": 0.5, "parameters": 1.0}, Cost(seconds=1.0, epochs=2.0))


def measure(width, most):
    inner = Counting()
    estimator = WithinLimits(
        inner, lambda arch: {"parameters": 10.0 * arch["width"]}, [Limit("parameters", most)]
    )
    job = Job(0, Architecture({"width": width}), Fidelity(1), 0, Path())
    return inner, estimator, estimator.evaluate(job, lambda *_: True)


def test_over_the_limit_nothing_is_evaluated():
    inner, _, found = measure(3, 20.0)
    assert inner.asked == 0
    assert found.metrics == {"parameters": 30.0}
    assert found.cost.epochs == 0
    assert found.cost.seconds > 0  # or a budget of time would never end


def test_within_it_the_size_is_that_of_the_final_network():
    inner, estimator, found = measure(2, 20.0)
    assert inner.asked == 1
    assert found.metrics == {"score": 0.5, "parameters": 20.0}
    assert found.cost.epochs == 2
    assert found.cost.seconds > 1
    assert set(estimator.metrics) == {"score", "parameters"}
