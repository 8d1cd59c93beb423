"""FairNAS: every candidate is trained equally often (Chu et al. 2021, https://arxiv.org/abs/1907.01845)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PATH_SETTINGS
from nasturtium.oneshot.fair import FairPaths


@METHODS.register(
    "fairnas",
    summary="train all options of each decision equally often, then search over the supernet",
    paper="https://arxiv.org/abs/1907.01845",
    abilities=["path", "limits"],
    settings=PATH_SETTINGS,
)
def fairnas(task: Task) -> list[Stage]:
    """An update is as many paths as a decision has options, so that an epoch costs that many times more.

    The step size is that of the other single-path methods: the published one (0.045 for batches of 256
    images, so 0.011 for 64) is for far more updates than small data allow.
    """
    return path_stages(task, lambda _, space: FairPaths(space))
