"""Evaluate only architectures whose size is allowed."""

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter

from nasturtium.hardware.sizes import Sizes
from nasturtium.problem.objectives import Limit, violation
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Cost, Measurement


class WithinLimits(Estimator):
    """Asks `inner` about architectures that keep the `limits`; of all others only the sizes are measured.

    The sizes are part of every measurement, instead of what `inner` says about the same metrics: it may work
    on a smaller network than the one that the limits are about.
    """

    def __init__(self, inner: Estimator, sizes: Sizes, limits: Sequence[Limit]) -> None:
        self._inner, self._sizes, self._limits = inner, sizes, limits
        self.metrics = tuple({*inner.metrics, *(limit.metric for limit in limits)})

    def evaluate(self, job: Job, report: Report) -> Measurement:
        """The sizes, and if these are allowed what `inner` finds."""
        began = perf_counter()
        sizes = self._sizes(job.arch)
        cost = Cost(seconds=perf_counter() - began)
        if violation(self._limits, sizes) > 0:
            return Measurement(sizes, cost)
        found = self._inner.evaluate(job, report)
        return replace(found, metrics={**found.metrics, **sizes}, cost=found.cost + cost)
