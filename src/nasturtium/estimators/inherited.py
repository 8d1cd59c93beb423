"""Evaluate an architecture with the weights that it inherits from a trained supernet."""

import math
from collections.abc import Callable
from time import perf_counter

from lightning_fabric import Fabric
from torch import nn

from nasturtium.hardware.meters import count_parameters
from nasturtium.oneshot.calibrate import calibrate, calibration_images
from nasturtium.problem.protocols import Estimator, Job, Report
from nasturtium.problem.records import Cost, Measurement
from nasturtium.space.architecture import Architecture
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.evaluate import EVALUATION_BATCH, evaluate
from nasturtium.training.normalise import Normalise


class InheritedEstimator(Estimator):
    """The accuracy on `valid` of the plain network that `inherit` makes with a supernet's weights, which are
    left as they are.

    The network's BatchNorm statistics are measured on 1,024 images of `train`.
    """

    metrics = ("valid_accuracy", "valid_loss", "parameters")

    def __init__(
        self,
        inherit: Callable[[Architecture], nn.Module],
        train: ImageSet,
        valid: ImageSet,
        *,
        fabric: Fabric,
    ) -> None:
        self._inherit = inherit
        self._valid = valid
        self._fabric = fabric
        self._normalise = Normalise.measured(train)
        self._calibration = calibration_images(train, self._normalise, fabric.device)

    def evaluate(self, job: Job, report: Report) -> Measurement:
        """Accuracy and loss on the validation images, and the number of parameters."""
        began = perf_counter()
        net = self._inherit(job.arch).to(self._fabric.device)
        calibrate(net, self._calibration)
        found = evaluate(net, self._valid, self._normalise, fabric=self._fabric)
        metrics = {
            "valid_accuracy": found["accuracy"],
            "valid_loss": found["loss"],
            "parameters": float(count_parameters(net)),
        }
        passes = len(self._calibration) + math.ceil(len(self._valid) / EVALUATION_BATCH)
        return Measurement(metrics, Cost(seconds=perf_counter() - began, forward=passes))
