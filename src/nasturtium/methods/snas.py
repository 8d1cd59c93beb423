"""SNAS: stochastic neural architecture search (Xie et al. 2019, https://arxiv.org/abs/1812.09926)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.temperature import linear

TEMPERATURE = linear(1.0, 0.03)
"""That of the authors' code (https://github.com/SNAS-Series/SNAS-Series); the paper names no numbers."""


@METHODS.register(
    "snas",
    summary="one loss for weights and architecture, on samples of the concrete distribution",
    paper="https://arxiv.org/abs/1812.09926",
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def snas(task: Task) -> list[Stage]:
    """Both learn from the same batches, by one backward pass; the authors' step sizes are those of DARTS."""
    return paced(GradientSearch(task, Gumbel(TEMPERATURE), None))
