"""Evaluate an architecture by training it."""

from collections.abc import Mapping, Sequence

from lightning_fabric import Fabric

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Measurement
from nasturtium.space.decision import Decision, Value
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.settings import TrainSettings
from nasturtium.training.trainer import EpochRecord, fit

SETTING = "train/"  # prefix of decisions that are training settings
STEM = "train"  # of checkpoint files


class TrainEstimator(Estimator):
    """Trains a fresh network on `train` for the fidelity's epochs and measures it on `valid` after each.

    Every fidelity follows the schedules of a training of `epochs`, the full one, so that a trial that
    continues another ends with the same bits as an uninterrupted one. Decisions named `train/<setting>`
    replace that setting. The test split is out of reach here.
    """

    metrics = ("valid_accuracy", "valid_loss", "train_loss", "parameters")

    def __init__(
        self,
        blueprint: Blueprint,
        train: ImageSet,
        valid: ImageSet,
        settings: TrainSettings,
        *,
        epochs: int,
        fabric: Fabric,
        steps: int | None = None,
    ) -> None:
        self._blueprint = blueprint
        self._train, self._valid = train, valid
        self._settings, self._epochs = settings, epochs
        self._fabric = fabric
        self._steps = steps

    def evaluate(self, job: Job, report: Report) -> Measurement:
        """Final accuracy and loss on the validation images; a killed training goes on from its last epoch.

        Raises what `fit` raises, and `UsageError` for more epochs than those of the full training.
        """
        if job.fidelity.epochs > self._epochs:
            raise UsageError(
                f"a full training has {self._epochs} epochs; a trial of {job.fidelity.epochs} is longer"
            )
        net = self._blueprint.build(job.arch, job.seed)
        settings = settings_of(job.arch, self._settings, epochs=self._epochs)
        done = fit(
            net,
            self._train,
            settings,
            seed=job.seed,
            fabric=self._fabric,
            valid=self._valid,
            checkpoints=Checkpoints(job.workdir, STEM),
            before=None if job.resume_from is None else Checkpoints(job.resume_from, STEM),
            epochs=job.fidelity.epochs,
            on_epoch=lambda record: report(record.epoch, figures(record)),
            steps_per_epoch=self._steps,
        )
        last = done.curve[-1]
        assert last.valid_accuracy is not None
        assert last.valid_loss is not None
        metrics = {
            "valid_accuracy": last.valid_accuracy,
            "valid_loss": last.valid_loss,
            "train_loss": last.train_loss,
            "parameters": float(count_parameters(net)),
        }
        return Measurement(metrics, done.cost, tuple(figures(record) for record in done.curve))


def figures(record: EpochRecord) -> dict[str, float]:
    """An epoch's measured numbers, without its cost."""
    values = {name: value for name, value in record.to_dict().items() if name != "cost"}
    return {name: value for name, value in values.items() if value is not None}


def settings_of(arch: Mapping[str, Value], base: TrainSettings, *, epochs: int) -> TrainSettings:
    """The training settings of an architecture: `base`, changed by its `train/…` decisions."""
    chosen = {name.removeprefix(SETTING): value for name, value in arch.items() if name.startswith(SETTING)}
    return TrainSettings.parse({**base.model_dump(), **chosen, "epochs": epochs})


def searched_jointly(blueprint: Blueprint, grids: Mapping[str, Sequence[float | int]]) -> Blueprint:
    """`blueprint` with a decision for each training setting in `grids` (name → its values, in order).

    Raises `UsageError` for a setting that does not exist or does not allow one of its values.
    """
    known = sorted(TrainSettings.model_fields.keys() - {"epochs", "precision"})
    for name, values in grids.items():
        if name not in known:
            raise UsageError(f"there is no training setting {name!r} to search: {did_you_mean(name, known)}")
        for value in values:
            TrainSettings.parse({name: value})
    decisions = [Decision(SETTING + name, tuple(values), ordered=True) for name, values in grids.items()]
    return blueprint.with_settings(decisions) if decisions else blueprint
