"""Few-shot search: one supernet for half of the training, then two, each for a part of the space
(Zhao et al. 2021, https://arxiv.org/abs/2006.06863).
"""

from itertools import islice

import numpy as np
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import METHODS, Json, Stage, Task
from nasturtium.methods.pace import Pace, Timing
from nasturtium.methods.path_search import Inherit, PathSearch
from nasturtium.methods.supernet_training import PATH_SETTINGS, SupernetTraining
from nasturtium.modules.derive import derive
from nasturtium.oneshot.feed import batches, prepared
from nasturtium.oneshot.paths import UniformPaths
from nasturtium.oneshot.splitting import split, splittable
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.normalise import Normalise

PARTS = 2
CONTEXTS = 4  # random paths, each with its batch, in which the options of a decision are compared


@METHODS.register(
    "few-shot",
    summary="train one supernet, split it in two where its options disagree, then search over both",
    paper="https://arxiv.org/abs/2006.06863",
    abilities=["path", "limits"],
    settings=PATH_SETTINGS,
)
def few_shot(task: Task) -> list[Stage]:
    """Uniform paths throughout; each path is scored with the part that it belongs to.

    The decision that is split is found as in GM-NAS (Hu et al. 2022, https://arxiv.org/abs/2203.15207). The
    parts share the second half of the training, so that the whole costs what `spos` costs.
    """
    if task.budget.unit == "epochs" and task.budget.amount < 2:
        raise UsageError("few-shot trains a supernet and then its parts: give it at least '2 epochs'")
    whole = Whole(task, _uniform)
    splittable(whole.fresh()[1])  # what can't be split is refused before anything is spent
    splitting = Splitting(task, whole)
    parts = [Part(task, whole, number) for number in range(PARTS)]

    def inherit(run: Run) -> Inherit:
        return Parts(run, parts).derive

    return [Timing(whole), whole, splitting, *parts, PathSearch(task, whole.settings, inherit)]


def _uniform(_: Supernet, space: SearchSpace) -> UniformPaths:
    return UniformPaths(space)


class Whole(SupernetTraining):
    """The first half of the training, of all paths together."""

    def stretch(self, pace: Pace) -> Pace:
        """Half of the epochs."""
        return Pace(pace.epochs // 2, pace.steps)


class Splitting:
    """Finds out which decision is split, and how."""

    name = "split"

    def __init__(self, task: Task, whole: Whole) -> None:
        self._task = task
        self._whole = whole

    def run(self, run: Run, progress: Progress) -> Json:
        """The decision, its options in each part, and how far the options of each decision agreed."""
        task, images = self._task, self._task.splits.search_train
        progress.say("comparing gradients to split the supernet")
        loader = batches(
            images,
            self._whole.settings,
            normalise=Normalise.measured(images),
            seed=seed_for(task.seed, self.name),
            device=task.fabric.device,
            steps=CONTEXTS,
        )
        rng = np.random.default_rng(seed_for(task.seed, self.name, "paths"))
        supernet = self._whole.trained(run)
        found = split(supernet, [prepared(batch) for batch in islice(loader, CONTEXTS)], rng)
        run.spend(self.name, found.cost)
        return {
            "decision": found.decision,
            "parts": [list(options) for options in found.parts],
            "agreement": dict(found.agreement),
        }


class Part(SupernetTraining):
    """Trains a copy of the whole supernet further, along the paths of its part of the space."""

    def __init__(self, task: Task, whole: Whole, number: int) -> None:
        super().__init__(task, _uniform)
        self.name = f"part-{number + 1}"
        self._whole = whole
        self._number = number

    def space(self, run: Run) -> SearchSpace:
        """The part of the space."""
        found = run.stages()[Splitting.name].payload
        return self._task.blueprint.space.restrict({found["decision"]: found["parts"][self._number]})

    def begin(self, run: Run) -> tuple[Supernet, SearchSpace]:
        """The whole supernet as it was when it was split."""
        return self._whole.trained(run), self.space(run)

    def stretch(self, pace: Pace) -> Pace:
        """An equal part of the steps that the whole supernet left over."""
        steps = (pace.epochs - pace.epochs // 2) * pace.steps // PARTS
        epochs = max(steps // pace.steps, 1)
        return Pace(epochs, max(steps // epochs, 1))


class Parts:
    """The trained parts. All stay in memory, because searches go to and fro between them."""

    def __init__(self, run: Run, parts: list[Part]) -> None:
        self._parts = [(part.space(run), part.trained(run).net) for part in parts]

    def derive(self, arch: Architecture) -> nn.Module:
        """The path with the weights of the first part that has it: where the split decision is switched off,
        both have.
        """
        return derive(next(net for space, net in self._parts if arch in space), arch)
