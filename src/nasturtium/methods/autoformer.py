"""AutoFormer: the supernet of a vision transformer, whose smaller layers are the first part of larger ones,
trained along single paths (Chen et al. 2021, https://arxiv.org/abs/2107.00651).
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PathSearchSettings
from nasturtium.oneshot.paths import UniformDecisions

# As published, for batches of 1024 images; a step size scaled to ours learns nothing in short trainings.
SETTINGS = PathSearchSettings(
    optimizer="adamw", learning_rate=1e-3, learning_rate_end=1e-5, weight_decay=0.05, warmup=20 / 500
)


@METHODS.register(
    "autoformer",
    summary="train uniform single paths with AdamW, then search over the supernet",
    paper="https://arxiv.org/abs/2107.00651",
    abilities=["path", "limits"],
    settings=SETTINGS,
)
def autoformer(task: Task) -> list[Stage]:
    """One path a step, each of its decisions uniform; the authors' heavier augmentation, label smoothing and
    dropped paths are left out.
    """
    return path_stages(task, lambda _, space: UniformDecisions(space), settings=SETTINGS)
