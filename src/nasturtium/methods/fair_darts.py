"""FairDARTS: options that don't compete (Chu et al. 2020, https://arxiv.org/abs/1911.12126)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.settings import BilevelSettings

SETTINGS = BilevelSettings(zero_one=10.0, alpha_learning_rate=3e-3, alpha_momentum=0.9)


@METHODS.register(
    "fair-darts",
    summary="DARTS with a weight of its own for each operation, driven to 0 or 1",
    paper="https://arxiv.org/abs/1911.12126",
    abilities=["mixture"],
    settings=SETTINGS,
)
def fair_darts(task: Task) -> list[Stage]:
    """The step of the architecture and the weight of its penalty are those of the authors' program.

    That keeps every operation whose weight is above 0.85, so that an edge may have several or none; here
    every decision keeps its best, as the space has it.
    """
    return paced(GradientSearch(task, Sigmoid(), FirstOrder(), settings=SETTINGS))
