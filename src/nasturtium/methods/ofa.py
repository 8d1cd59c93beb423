"""Once-for-All: an elastic network is trained largest first and then shrunk (Cai et al. 2020,
https://arxiv.org/abs/1908.09791).
"""

import math

from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.pace import Pace
from nasturtium.methods.path_search import searched
from nasturtium.methods.supernet_training import PathSearchSettings, SupernetTraining
from nasturtium.oneshot.epochs import OnEpoch
from nasturtium.oneshot.paths import UniformDecisions
from nasturtium.oneshot.shrinking import epochs_of, phases, shrink
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

TYPICAL = 2  # paths of an update, on average over all phases
RATE = 2.6 * 64 / 2048  # published for batches of 2048 images, ours have 64
SETTINGS = PathSearchSettings(learning_rate=RATE, weight_decay=3e-5)


class Shrinking(SupernetTraining):
    """Trains the phases of progressive shrinking, each with checkpoints of its own."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, lambda _, space: UniformDecisions(space, TYPICAL), settings=SETTINGS)
        supernet, space = self.fresh()
        found = phases(supernet.net, space)
        if task.budget.unit == "epochs":
            epochs_of(found, math.ceil(task.budget.amount))  # too few are refused before anything is spent

    def _train(self, run: Run, on_epoch: OnEpoch) -> tuple[Supernet, tuple[SearchEpoch, ...]]:
        task, pace = self._task, Pace.of(run)
        supernet, space = self.begin(run)
        trained = shrink(
            supernet,
            phases(supernet.net, space),
            self.settings.model_copy(update={"epochs": pace.epochs}),
            task.splits.search_train,
            task.splits.search_valid,
            fabric=task.fabric,
            seed=seed_for(task.seed, self.name),
            steps=pace.steps,
            checkpoints=lambda phase: Checkpoints(run.path("checkpoints"), f"{self.name}-{phase}"),
            on_epoch=on_epoch,
        )
        return supernet, trained.curve


@METHODS.register(
    "ofa",
    summary="train the largest network, shrink it step by step, then search over all inside it",
    paper="https://arxiv.org/abs/1908.09791",
    abilities=["path", "limits"],
    settings=SETTINGS,
)
def ofa(task: Task) -> list[Stage]:
    """For spaces with elastic kernels, depths or widths; what a search finds there needs no training of its
    own (`Supernet.extract`), although the final network is trained afresh like that of every method.
    """
    return searched(task, Shrinking(task))
