"""Greedy paths: what promises to be good is trained more (You et al. 2020,
https://arxiv.org/abs/2003.11236).
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PATH_SETTINGS
from nasturtium.oneshot.promising import PromisingPaths


@METHODS.register(
    "greedy-paths",
    summary="train promising single paths more often, then search over the supernet",
    paper="https://arxiv.org/abs/2003.11236",
    abilities=["path", "limits"],
    settings=PATH_SETTINGS,
)
def greedy_paths(task: Task) -> list[Stage]:
    """In the spirit of GreedyNAS, with a prediction in place of a score for every path that is drawn."""
    return path_stages(task, lambda _, space: PromisingPaths(space))
