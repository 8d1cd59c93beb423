"""FairNAS: every candidate is trained equally often (Chu et al. 2021, https://arxiv.org/abs/1907.01845)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.oneshot.fair import FairPaths

RATE = 0.045 * 64 / 256  # published for batches of 256, ours have 64


@METHODS.register(
    "fairnas",
    summary="train all options of each decision equally often, then search over the supernet",
    paper="https://arxiv.org/abs/1907.01845",
    abilities=["path", "limits"],
)
def fairnas(task: Task) -> list[Stage]:
    """An update is as many paths as a decision has options, so that an epoch costs that many times more."""
    return path_stages(task, lambda _, space: FairPaths(space), defaults={"learning_rate": RATE})
