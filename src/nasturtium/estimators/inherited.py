"""Evaluate an architecture with the weights that it inherits from a trained supernet."""

import math

from lightning_fabric import Fabric

from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.derive import derive
from nasturtium.oneshot.calibrate import calibrate
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Cost, Measurement
from nasturtium.training.augment import in_order
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import EVALUATION_BATCH, evaluate
from nasturtium.training.normalise import Normalise

CALIBRATION_IMAGES = 1024


class InheritedEstimator(Estimator):
    """The accuracy of a path on `valid`, its BatchNorm statistics measured on the first images of `train`."""

    metrics = ("valid_accuracy", "valid_loss", "parameters")

    def __init__(self, supernet: Supernet, train: ImageSet, valid: ImageSet, *, fabric: Fabric) -> None:
        self._supernet = supernet
        self._valid = valid
        self._fabric = fabric
        self._normalise = Normalise.measured(train)
        few = train.subset(range(min(CALIBRATION_IMAGES, len(train))))
        self._calibration = [
            x for x, _ in in_order(few, EVALUATION_BATCH, normalise=self._normalise, device=fabric.device)
        ]

    def evaluate(self, job: Job, report: Report) -> Measurement:
        """Accuracy and loss on the validation images, and the parameters of the path."""
        self._supernet.activate(job.arch)
        calibrate(self._supernet, self._calibration)
        found = evaluate(self._supernet, self._valid, self._normalise, fabric=self._fabric)
        passes = len(self._calibration) + math.ceil(len(self._valid) / EVALUATION_BATCH)
        metrics = {
            "valid_accuracy": found["accuracy"],
            "valid_loss": found["loss"],
            "parameters": float(count_parameters(derive(self._supernet.net, job.arch))),
        }
        return Measurement(metrics, Cost(forward=passes))
