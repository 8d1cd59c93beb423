"""Gradient methods that weigh accuracy against what a network costs."""

from collections.abc import Callable, Sequence

from pydantic import Field

from nasturtium.core.errors import UsageError
from nasturtium.hardware.cost_table import CostTable, Metric
from nasturtium.methods.base import Json, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.modules.example import fixed, random_images
from nasturtium.oneshot.arch_step import ArchStep
from nasturtium.oneshot.penalties import Penalty
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run

COSTS = "costs"

Weigh = Callable[[CostTable, float], tuple[ArchStep, Sequence[Penalty]]]
"""The architecture's step and penalties, made of a table and `cost_weight`."""


class CostSettings(BilevelSettings):
    """What counts beside accuracy, and how much."""

    cost: Metric = Field("flops", description="flops, params, or latency_ms as measured on this machine")
    cost_weight: float = Field(0.0, ge=0, le=10, description="how much the cost counts; 0: not at all")


class CostSearch(GradientSearch):
    """A gradient search that costs take part in. Without (`cost_weight` 0) it takes `arch_step` alone.

    The costs are those of the final network, from the run's stage of that name.
    """

    def __init__(
        self,
        task: Task,
        relaxation: Relaxation,
        arch_step: ArchStep,
        weigh: Weigh,
        *,
        settings: CostSettings,
    ) -> None:
        super().__init__(task, relaxation, arch_step, settings=settings)
        if "cost" in task.searching and not self.costs.cost_weight:
            raise UsageError(f"cost = {self.costs.cost!r} counts for nothing: set cost_weight above 0, too")
        self._weigh = weigh

    @property
    def costs(self) -> CostSettings:
        """The settings of this search."""
        assert isinstance(self.settings, CostSettings)
        return self.settings

    def run(self, run: Run, progress: Progress) -> Json:
        """The derived architecture and the curve of the search."""
        if self.costs.cost_weight:
            table = CostTable.from_dict(run.stages()[COSTS].payload, self._task.blueprint.space)
            self._arch_step, self._penalties = self._weigh(table, self.costs.cost_weight)
        return super().run(run, progress)


class Costs:
    """Measures what every option of the final network costs, once: timings are never the same again."""

    name = COSTS

    def __init__(self, task: Task, metric: Metric) -> None:
        self._task = task
        self._metric = metric

    def run(self, run: Run, progress: Progress) -> Json:
        """The table; raises `UsageError` where costs don't add up."""
        task = self._task
        progress.say(f"measuring the {self._metric} of every option")
        inputs = fixed(random_images(task.splits.train.input_shape))
        try:
            return CostTable.measured(self._metric, task.final, inputs, task.fabric.device).to_dict()
        except UsageError as error:
            raise UsageError(
                f"{error}; with cost_weight=0 this method can search it for accuracy alone"
            ) from None


def costed(task: Task, search: CostSearch) -> list[Stage]:
    """Measure the costs if they count, then the pace, then search."""
    settings = search.costs
    return [*([Costs(task, settings.cost)] if settings.cost_weight else []), *paced(search)]
