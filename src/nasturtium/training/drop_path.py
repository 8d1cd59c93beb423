"""The probability of dropping paths (Larsson et al. 2017, FractalNet), set from outside while a network is
trained.
"""

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class DropsPaths(Protocol):
    """A module that drops its path with this probability while it is trained."""

    drop_path_probability: float


def set_drop_path(net: nn.Module, probability: float) -> None:
    """Set the probability in every module of `net` that has one."""
    for module in net.modules():
        if isinstance(module, DropsPaths):
            module.drop_path_probability = probability
