"""PC-DARTS: DARTS on a part of the channels (Xu et al. 2020, https://arxiv.org/abs/1907.05737)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.settings import BilevelSettings

SETTINGS = BilevelSettings(warmup=0.3, alpha_learning_rate=6e-4)


@METHODS.register(
    "pc-darts",
    summary="DARTS with operations on a quarter of the channels, and weights on edges",
    paper="https://arxiv.org/abs/1907.05737",
    abilities=["mixture"],
    settings=SETTINGS,
)
def pc_darts(task: Task) -> list[Stage]:
    """In the first 15 of 50 epochs only the weights learn.

    The authors use the memory that is saved for batches of 256 on CIFAR-10, with a step size of 0.1: four
    times the defaults here.
    """
    return paced(GradientSearch(task, PartialChannels(), FirstOrder(), settings=SETTINGS))
