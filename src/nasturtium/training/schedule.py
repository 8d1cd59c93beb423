"""Schedules: numbers as functions of the step."""

import math

from nasturtium.training.settings import TrainSettings


def cosine(step: float, total: float, start: float, end: float) -> float:
    """From `start` at step 0 to `end` at step `total` along half a cosine (Loshchilov & Hutter 2017, without
    restarts).
    """
    return end + (start - end) * (1 + math.cos(math.pi * step / total)) / 2


def learning_rate(settings: TrainSettings, step: int, steps_per_epoch: int) -> float:
    """The step size of step 0, 1, …: linear warm-up, then a cosine to zero at the end of the last epoch."""
    warmup = settings.warmup_epochs * steps_per_epoch
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    return cosine(step - warmup, settings.epochs * steps_per_epoch - warmup, settings.learning_rate, 0.0)
