"""A task of a few images, and its stages run one after the other."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch

from nasturtium.methods.base import Json, Stage, Task
from nasturtium.modules.blueprint import Blueprint
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.study.budget import Budget
from nasturtium.study.progress import SILENT, Progress
from nasturtium.study.run import Run
from nasturtium.training.data.image_set import ImageSet, SealedTest, Splits
from nasturtium.training.device import make_fabric
from nasturtium.training.settings import TrainSettings

SHAPE, CLASSES = (1, 8, 8), 3


class Killed(Exception):
    pass


class KilledAt:
    """A progress that dies when a stage has done so many units."""

    def __init__(self, stage: str, done: int) -> None:
        self._at, self._stage, self._done = stage, "", done

    def start(self, stage: str, total: int, unit: str) -> None:
        self._stage = stage

    def advance(self, done: int, **figures: float | str) -> None:
        if (self._stage, done) == (self._at, self._done):
            raise Killed

    def finish(self) -> None:
        pass

    def say(self, text: str) -> None:
        pass


def images(number: int, *, seed: int) -> ImageSet:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (number, *SHAPE), generator=generator, dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(number) % CLASSES, ("a", "b", "c"))


def task_of(
    space: str | Blueprint, sizes: Mapping[str, int], budget: str = "3 epochs", **searching: object
) -> Task:
    """A task whose blueprints are made as a job makes them."""
    named = isinstance(space, str)
    blueprint = make_space(space, SHAPE, CLASSES, sizes) if isinstance(space, str) else space
    return Task(
        blueprint=blueprint,
        final=blueprint,
        splits=Splits(images(48, seed=0), images(32, seed=1), SealedTest(images(8, seed=2))),
        training=TrainSettings(epochs=1),
        searching={"batch_size": 16, **searching},
        budget=Budget.parse(budget),
        fabric=make_fabric("cpu"),
        seed=0,
        mirror=False,
        sizes={**SPACES.get(space).sizes, **sizes} if isinstance(space, str) else {},
        resized=partial(make_space, space, SHAPE, CLASSES) if named else None,
    )


def run_stages(folder: Path, stages: Sequence[Stage], progress: Progress = SILENT) -> dict[str, Json]:
    """What each stage found, by name; stages that the run knows already are not run again."""
    with Run.open(folder, "run", config={}, space={}, seed=0, command="") as run:
        return {stage.name: run.stage(stage.name, partial(stage.run, run, progress)) for stage in stages}


def without_cost(found: Json) -> Json:
    """A payload with everything but what time has a part in."""
    curve = [{key: value for key, value in row.items() if key != "cost"} for row in found["curve"]]
    return {**found, "curve": curve}
