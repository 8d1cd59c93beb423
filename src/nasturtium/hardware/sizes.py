"""How large the networks of a space are, known before any is trained."""

from collections.abc import Callable, Iterable
from functools import lru_cache

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.space.architecture import Architecture

METERS: dict[str, Callable[[nn.Module, Tensor], int]] = {
    "parameters": lambda net, image: count_parameters(net),
    "flops": count_flops,
}
REMEMBERED = 10_000  # architectures

Sizes = Callable[[Architecture], dict[str, float]]


def sizes_of(blueprint: Blueprint, input_shape: tuple[int, ...], metrics: Iterable[str]) -> Sizes:
    """Measures these metrics of an architecture's network (see `meters`), built without memory for weights.

    Raises `UsageError` for a metric that is no size.
    """
    metrics = tuple(metrics)
    for metric in metrics:
        if metric not in METERS:
            raise UsageError(
                f"{metric!r} can't be measured before training, so that it can't be limited:"
                f" {did_you_mean(metric, METERS)}"
            )

    @lru_cache(maxsize=REMEMBERED)
    def measure(arch: Architecture) -> dict[str, float]:
        with torch.device("meta"):
            net = blueprint.build(arch, seed=0)
            return {metric: float(METERS[metric](net, torch.empty(1, *input_shape))) for metric in metrics}

    return measure
