"""Labelled images in memory, the three-way split made of them, and the seal on the test part."""

import hashlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import torch
from torch import Tensor

from nasturtium.core.errors import DataError, NasturtiumError


class TestSplitAlreadyOpened(NasturtiumError):
    """The test split was asked for a second time."""


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """`images` is N×C×H×W, uint8 (0–255) or float32; `labels` is int64 N, positions in `classes`. `DataError`
    if not.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype not in (torch.uint8, torch.float32):
            raise DataError(
                f"images must be uint8 or float32 N×C×H×W, got {self.images.dtype} {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels must be int64, one per image ({len(self.images)}), "
                f"got {self.labels.dtype} {tuple(self.labels.shape)}"
            )
        if not self.images.numel():
            raise DataError("a set of images must not be empty")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(f"labels reach from {low} to {high}, but there are {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"ImageSet({len(self)} images of {self.input_shape}, {len(self.classes)} classes)"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def subset(self, indices: Tensor | Sequence[int]) -> "ImageSet":
        """The images at `indices`, in that order."""
        chosen = torch.as_tensor(indices, dtype=torch.int64)
        return ImageSet(self.images[chosen], self.labels[chosen], self.classes)

    def joined(self, other: "ImageSet") -> "ImageSet":
        """These images followed by those of `other`."""
        if (self.classes, self.input_shape) != (other.classes, other.input_shape):
            raise DataError(f"{self} and {other} can't be joined: classes or shapes differ")
        return ImageSet(
            torch.cat([self.images, other.images]), torch.cat([self.labels, other.labels]), self.classes
        )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the images, labels and class names."""
        digest = hashlib.sha256(repr((self.images.shape, self.images.dtype, self.classes)).encode())
        for tensor in (self.labels, self.images):
            digest.update(tensor.contiguous().numpy().data)
        return digest.hexdigest()

    @cached_property
    def channel_statistics(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel, on the scale of `as_floats` (0–1 for uint8)."""
        total = torch.zeros(self.input_shape[0], dtype=torch.float64)
        squares = torch.zeros_like(total)
        for start in range(0, len(self), 512):  # sums of uint8 are exact in float64, whatever the order
            values = self.images[start : start + 512].double().flatten(2)
            total += values.sum(dim=(0, 2))
            squares += values.square().sum(dim=(0, 2))
        count = self.images.numel() / self.input_shape[0]
        scale = 255.0 if self.images.dtype == torch.uint8 else 1.0
        mean = total / count
        std = (squares / count - mean.square()).clamp(min=0).sqrt()
        return tuple((mean / scale).tolist()), tuple((std / scale).tolist())


def as_floats(images: Tensor) -> Tensor:
    """float32 images, N×C×H×W: uint8 becomes 0–1, float32 stays as it is."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


class SealedTest:
    """The test images behind a seal: they can be counted and recognised, and read once."""

    def __init__(self, images: ImageSet) -> None:
        self.__images = images
        self.__opened: str | None = None

    def __len__(self) -> int:
        return len(self.__images)

    def __repr__(self) -> str:
        return f"SealedTest({len(self)} images, {'opened' if self.__opened else 'sealed'})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the images, labels and class names."""
        return self.__images.fingerprint

    def open(self) -> ImageSet:
        """The test images; a second call is `TestSplitAlreadyOpened`, which says where the first one was."""
        if self.__opened is not None:
            raise TestSplitAlreadyOpened(
                f"the test split was already opened {self.__opened}; it is read once, for the final "
                "report, so that nothing is chosen by it. Choose by search_valid, or keep the set "
                "that the first opening gave"
            )
        caller = traceback.extract_stack(limit=2)[0]
        now = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
        self.__opened = f"at {now} by {caller.name} ({caller.filename}:{caller.lineno})"
        return self.__images


@dataclass(frozen=True, eq=False)
class Splits:
    """A search trains on `search_train` and chooses by `search_valid`; what it found is retrained on
    `train`.
    """

    search_train: ImageSet
    search_valid: ImageSet
    test: SealedTest

    @cached_property
    def train(self) -> ImageSet:
        """search_train followed by search_valid."""
        return self.search_train.joined(self.search_valid)
