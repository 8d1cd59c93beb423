"""Normalisation by the mean and standard deviation of the training images, as a layer that is exported with
the net.
"""

from typing import Self

import torch
from torch import Tensor, nn

from nasturtium.training.data.image_set import ImageSet


class Normalise(nn.Module):
    """(x − mean) / std per channel. `nn.Sequential(normalise, net)` takes images N×C×H×W as floats, 0–1 for
    uint8.

    The training loop sends its batches through this same layer, so both agree exactly.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))

    @classmethod
    def measured(cls, images: ImageSet) -> Self:
        """The layer for these (training) images; a channel that is constant is only shifted."""
        mean, std = images.channel_statistics
        return cls(mean, tuple(value if value > 1e-6 else 1.0 for value in std))

    def forward(self, x: Tensor) -> Tensor:
        """Float images N×C×H×W to normalised ones of the same shape."""
        return (x - self.mean) / self.std
