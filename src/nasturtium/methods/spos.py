"""Single path one-shot: uniform paths, then a search over the trained supernet (Guo et al. 2020,
https://arxiv.org/abs/1904.00420).
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PATH_SETTINGS
from nasturtium.oneshot.paths import UniformPaths


@METHODS.register(
    "spos",
    summary="train uniform single paths, then search over the supernet",
    paper="https://arxiv.org/abs/1904.00420",
    abilities=["path", "limits"],
    settings=PATH_SETTINGS,
)
def spos(task: Task) -> list[Stage]:
    """One uniform path a step."""
    return path_stages(task, lambda _, space: UniformPaths(space))
