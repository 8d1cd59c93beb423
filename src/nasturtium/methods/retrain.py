"""Train the found architecture from scratch, and its rivals in just the same way."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from nasturtium.core.errors import StorageError, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.estimators.train import figures, settings_of
from nasturtium.hardware.meters import count_parameters
from nasturtium.methods.base import Json, Task
from nasturtium.methods.limits import draw, final_sizes
from nasturtium.methods.pace import Pace, steps_of_pass, time_training
from nasturtium.modules.residual import ResidualNetwork, matched_width
from nasturtium.problem.records import Fidelity, Measurement
from nasturtium.space.architecture import Architecture
from nasturtium.study.events import TrialRecord
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.settings import TrainSettings
from nasturtium.training.trainer import EpochRecord, fit

FOUND, RANDOM, RESIDUAL = "found by the search", "random", "residual CNN"
RETRAIN = "retrain"


@dataclass(frozen=True)
class Contender:
    """A network that is trained for the verdict; `build` makes it fresh."""

    label: str
    build: Callable[[], nn.Module]
    settings: TrainSettings
    arch: Architecture | None = None

    @property
    def slug(self) -> str:
        """The label as a file name."""
        return re.sub(r"\W+", "-", self.label)


def contenders(task: Task, found: Architecture, random_networks: int, epochs: int) -> list[Contender]:
    """The found architecture, other random ones of its space within the same limits, and a residual CNN of as
    many parameters.
    """
    rng = np.random.default_rng(seed_for(task.seed, "random rivals"))
    sizes = final_sizes(task)
    rivals = draw(task.final.space, sizes, task.limits, rng, number=random_networks, without=[found])
    if len(rivals) < 2:
        raise UsageError(
            "this space is too small for a comparison: it needs two architectures besides the found one"
        )
    labelled = [(FOUND, found), *((f"{RANDOM} {i}", arch) for i, arch in enumerate(rivals, start=1))]
    nets = [
        Contender(
            label,
            partial(task.final.build, arch, seed_for(task.seed, RETRAIN, label)),
            settings_of(arch, task.training, epochs=epochs),
            arch,
        )
        for label, arch in labelled
    ]
    parameters = count_parameters(nets[0].build())
    return [*nets, _residual(task, parameters, settings_of({}, task.training, epochs=epochs))]


def _residual(task: Task, parameters: int, settings: TrainSettings) -> Contender:
    train = task.splits.train
    channels, classes = train.input_shape[0], len(train.classes)

    def build() -> nn.Module:
        width = matched_width(channels, classes, parameters)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_for(task.seed, RETRAIN, RESIDUAL))
            return ResidualNetwork(channels, classes, width)

    return Contender(RESIDUAL, build, settings)


class RetrainPace:
    """How long each of the networks may be trained, measured once and written down."""

    name = "retrain pace"

    def __init__(self, task: Task, seconds: float | None, networks: int) -> None:
        self._task = task
        self._seconds = seconds
        self._networks = networks

    def run(self, run: Run, progress: Progress) -> Json:
        """The settings' own epochs, or as many as fit into the seconds there are."""
        task = self._task
        pass_steps = steps_of_pass(task.splits.train, task.training.batch_size)
        if self._seconds is None:
            return Pace(task.training.epochs, pass_steps).to_dict()
        progress.say("timing a few steps of the final training")
        step_seconds = time_training(task.final, task.splits.train, task)
        seconds = self._seconds / self._networks
        pace = Pace.within(seconds, step_seconds=step_seconds, pass_steps=pass_steps, most_epochs=600)
        return pace.advise(progress, pass_steps=pass_steps, sizes="--final-net").to_dict()


class Retrain:
    """Trains every contender for the same number of steps on train; the test split stays sealed."""

    name = RETRAIN

    def __init__(self, task: Task, nets: list[Contender], pace: Pace) -> None:
        self._task = task
        self._nets = nets
        self._pace = pace

    def run(self, run: Run, progress: Progress) -> Json:
        """Trials, one for each contender; the weights stay in its last checkpoint."""
        done = {trial.label for trial in run.trials(self.name)}
        progress.start(self.name, len(self._nets) * self._pace.epochs, "epochs")
        try:
            for i, net in enumerate(self._nets):
                if net.label not in done:
                    self._train(net, run, partial(self._show, progress, i * self._pace.epochs, net.label))
        finally:
            progress.finish()
        return {
            "epochs": self._pace.epochs,
            "steps": self._pace.steps,
            "networks": [net.label for net in self._nets],
        }

    def _show(self, progress: Progress, before: int, label: str, record: EpochRecord) -> bool:
        progress.advance(
            before + record.epoch, network=label, loss=record.train_loss, train_accuracy=record.train_accuracy
        )
        return True

    def _train(self, contender: Contender, run: Run, show: Callable[[EpochRecord], bool]) -> None:
        net = contender.build()
        done = fit(
            net,
            self._task.splits.train,
            contender.settings,
            seed=seed_for(self._task.seed, self.name, contender.label),
            fabric=self._task.fabric,
            checkpoints=checkpoints_of(run, contender),
            on_epoch=show,
            steps_per_epoch=self._pace.steps,
        )
        last = done.curve[-1]
        metrics = {
            "train_loss": last.train_loss,
            "train_accuracy": last.train_accuracy,
            "parameters": float(count_parameters(net)),
        }
        run.record_trial(
            TrialRecord(
                self.name,
                0,
                label=contender.label,
                arch=contender.arch,
                fidelity=Fidelity(self._pace.epochs),
                status="ok",
                measurement=Measurement(metrics, done.cost, tuple(figures(record) for record in done.curve)),
            )
        )


def checkpoints_of(run: Run, contender: Contender) -> Checkpoints:
    """Where the final training of a contender keeps its states."""
    return Checkpoints(run.path("checkpoints"), f"{RETRAIN}-{contender.slug}")


def trained(run: Run, contender: Contender) -> nn.Module:
    """The contender with the weights that its final training ended with, on the CPU, in eval mode."""
    found = checkpoints_of(run, contender).latest()
    if found is None or found[0] != contender.settings.epochs:
        raise StorageError(
            f"the trained weights of {contender.label!r} are gone from {run.path('checkpoints')}; start again"
            " under another --run name"
        )
    net = contender.build()
    net.load_state_dict(found[1]["net"])
    return net.eval()
