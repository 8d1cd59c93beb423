"""RobustDARTS: stronger weight decay, and a stop when the curvature of the validation loss grows (Zela et al.
2020, https://arxiv.org/abs/1909.09656).
"""

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.curvature import CurvatureStop
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings

WEIGHT_DECAY = 27e-4  # nine times that of DARTS, the middle of the paper's 3e-4, 9e-4, …, 243e-4
SETTINGS = BilevelSettings(weight_decay=WEIGHT_DECAY, eigenvalue_every=1)


@METHODS.register(
    "robust-darts",
    summary="DARTS that stops when the curvature of the validation loss grows",
    paper="https://arxiv.org/abs/1909.09656",
    abilities=["mixture"],
    settings=SETTINGS,
)
def robust_darts(task: Task) -> list[Stage]:
    """Early stopping and weight decay of the paper together, in one search.

    The paper searches with several strengths of weight decay, or of drop path, and keeps the best; to do so
    give `weight_decay` or `path_dropout` to several runs. A search of fewer than 10 epochs can't be stopped.
    """
    search = GradientSearch(task, Softmax(), FirstOrder(), stop=CurvatureStop(), settings=SETTINGS)
    if task.searching.get("eigenvalue_every") == 0:
        raise UsageError("robust-darts stops by the curvature: eigenvalue_every must be 1 or more, got 0")
    return paced(search)
