"""BigNAS: the largest path teaches the others (Yu et al. 2020, https://arxiv.org/abs/2003.11142)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.path_search import path_stages
from nasturtium.methods.supernet_training import PATH_SETTINGS
from nasturtium.oneshot.distil import Distillation
from nasturtium.oneshot.extremes import SandwichPaths


@METHODS.register(
    "bignas",
    summary="the largest path teaches smaller ones, then a search over the supernet",
    paper="https://arxiv.org/abs/2003.11142",
    abilities=["path", "limits"],
    settings=PATH_SETTINGS,
)
def bignas(task: Task) -> list[Stage]:
    """An update is four paths: the largest on the labels, the smallest and two random ones on its answers.

    The sandwich rule and the in-place distillation are the authors'; optimiser and step size are those of the
    other single-path methods.
    """
    return path_stages(task, SandwichPaths, distil=Distillation())
