"""GDAS: one sampled operation at a time (Dong & Yang 2019, https://arxiv.org/abs/1910.04465)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel


@METHODS.register(
    "gdas",
    summary="gradient descent on one sampled operation of each decision",
    paper="https://arxiv.org/abs/1910.04465",
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def gdas(task: Task) -> list[Stage]:
    """Weights and architecture take turns; the authors' step sizes are those of DARTS."""
    return paced(GradientSearch(task, HardGumbel(), FirstOrder()))
