"""DARTS: search by gradient descent on a softmax mixture (Liu et al. 2019,
https://arxiv.org/abs/1806.09055).
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder, SecondOrder
from nasturtium.oneshot.relaxations.softmax import Softmax

PAPER = "https://arxiv.org/abs/1806.09055"


@METHODS.register(
    "darts",
    summary="gradient descent on a mixture of operations",
    paper=PAPER,
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def darts(task: Task) -> list[Stage]:
    """Weights and architecture take turns; the weights count as the best ones."""
    return paced(GradientSearch(task, Softmax(), FirstOrder()))


@METHODS.register(
    "darts-2nd",
    summary="DARTS through one virtual step of the weights",
    paper=PAPER,
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def darts_2nd(task: Task) -> list[Stage]:
    """As `darts`, but the architecture's gradient looks through one step of the weights' optimiser."""
    return paced(GradientSearch(task, Softmax(), SecondOrder()))
