"""Random search: sample, train briefly, keep the best (Li & Talwalkar 2019,
https://arxiv.org/abs/1902.07638).
"""

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.pace import paced
from nasturtium.methods.training_search import TrainingSearch
from nasturtium.strategies.random import RandomSearch


@METHODS.register(
    "random",
    summary="sample, train briefly, keep the best",
    paper="https://arxiv.org/abs/1902.07638",
    abilities=["training", "limits"],
)
def random(task: Task) -> list[Stage]:
    """Uniform over architectures, each trained for a few epochs on the search split."""
    if task.searching:
        raise UsageError(
            f"this method has no search settings, got {', '.join(task.searching)}; what its trainings use is"
            " set under training"
        )
    return paced(TrainingSearch(task, RandomSearch))
