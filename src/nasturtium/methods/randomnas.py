"""RandomNAS: random search with weight sharing (Li & Talwalkar 2019, https://arxiv.org/abs/1902.07638)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PathSearchSettings
from nasturtium.oneshot.paths import UniformPaths

PATHS = 1000  # the best of so many belongs to the best 1 % of all, but for once in 20,000 times
SETTINGS = PathSearchSettings(strategy="random", paths=PATHS)


@METHODS.register(
    "randomnas",
    summary="train uniform single paths, then keep the best of many random ones",
    paper="https://arxiv.org/abs/1902.07638",
    abilities=["path", "limits"],
    settings=SETTINGS,
)
def randomnas(task: Task) -> list[Stage]:
    """Trains as `spos` does, and then only draws: no strategy learns from the scores of earlier paths.

    So the difference between both is what the strategy is worth. Unlike the authors' this one measures
    BatchNorm statistics anew for each path, and does not train the best few from scratch to choose among
    them.
    """
    return path_stages(
        task,
        lambda _, space: UniformPaths(space),
        settings=SETTINGS,
    )
