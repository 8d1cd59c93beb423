"""β-DARTS: DARTS that decays the softmax's input (Ye et al. 2022, https://arxiv.org/abs/2203.01665)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings

SETTINGS = BilevelSettings(beta_decay=50.0)  # see `beta_darts`


@METHODS.register(
    "beta-darts",
    summary="DARTS with a growing penalty on the largest architecture parameters",
    paper="https://arxiv.org/abs/2203.01665",
    abilities=["mixture"],
    settings=SETTINGS,
)
def beta_darts(task: Task) -> list[Stage]:
    """The weight of the penalty is half the number of the epoch in the authors' program, 50 after its 100
    epochs on NAS-Bench-201.
    """
    return paced(GradientSearch(task, Softmax(), FirstOrder(), settings=SETTINGS))
