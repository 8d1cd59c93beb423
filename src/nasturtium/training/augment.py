"""Batches of shuffled, augmented, normalised images, made whole batches at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nasturtium.core.errors import UsageError
from nasturtium.training.data.image_set import ImageSet, as_floats
from nasturtium.training.normalise import Normalise


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random changes to a batch; each sample gets its own.

    `crop_padding` pixels of black around, then a crop of the old size at a random place; `mirror` flips
    left-right every second time; `cutout` is the side in pixels of an erased square (DeVries & Taylor 2017,
    arXiv:1708.04552).
    """

    crop_padding: int = 0
    mirror: bool = False
    cutout: int = 0

    def move(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Crop and mirror images of any type, N×C×H×W; happens before normalisation, so that the padding is
        black.
        """
        if self.crop_padding:
            images = _crop(images, self.crop_padding, generator)
        if self.mirror:
            flipped = torch.rand(len(images), generator=generator) < 0.5
            images = torch.where(flipped.to(images.device).view(-1, 1, 1, 1), images.flip(-1), images)
        return images

    def erase(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Cut a square out of normalised images, N×C×H×W: zero is the mean colour. At borders the square is
        clipped.
        """
        if not self.cutout:
            return x
        height, width = x.shape[2:]
        rows = _inside(height, self.cutout, len(x), generator)
        columns = _inside(width, self.cutout, len(x), generator)
        square = rows.view(-1, 1, height, 1) & columns.view(-1, 1, 1, width)
        return x.masked_fill(square.to(x.device), 0.0)


def _crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    height, width = images.shape[2:]
    top, left = torch.randint(2 * padding + 1, (2, len(images)), generator=generator).to(images.device)
    # Every possible crop as a view, of which one per sample is copied.
    windows = F.pad(images, (padding,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def _inside(size: int, side: int, number: int, generator: torch.Generator) -> Tensor:
    """number×size: whether a position lies within `side` around a random centre."""
    start = torch.randint(size, (number, 1), generator=generator) - side // 2
    position = torch.arange(size)
    return (position >= start) & (position < start + side)


class Batches:
    """Iterating once gives one epoch of (x float32 N×C×H×W, y int64 N) on `device`, in a fresh random order.

    With `steps` an epoch has that many batches instead of one pass: a long one goes on with a new order, a
    short one is continued by the next epoch, so that all images get their turn. All randomness comes from
    `generator`, on the CPU, so that every device sees the same batches.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_size: int,
        *,
        generator: torch.Generator,
        augment: Augment,
        normalise: Normalise,
        device: torch.device | str = "cpu",
        drop_last: bool = True,
        steps: int | None = None,
    ) -> None:
        if batch_size < 1 or (steps is not None and steps < 1):
            raise UsageError(f"batch_size and steps must be at least 1, got {batch_size} and {steps}")
        self._set = image_set
        self._size = min(batch_size, len(image_set))
        self._generator = generator
        self._augment = augment
        self._normalise = normalise.to(device)
        self._device = torch.device(device)
        self._least = self._size if drop_last else 1
        self._steps = steps
        self._order = torch.empty(0, dtype=torch.int64)
        self._cursor = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self._steps is not None:
            return self._steps
        return (len(self._set) + self._size - self._least) // self._size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if self._steps is None:
            self._cursor = len(self._order)
        for _ in range(len(self)):
            yield self._batch(self._next_indices())

    def _next_indices(self) -> Tensor:
        if len(self._order) - self._cursor < self._least:
            self._order = torch.randperm(len(self._set), generator=self._generator)
            self._cursor = 0
        start = self._cursor
        self._cursor = min(start + self._size, len(self._order))
        return self._order[start : self._cursor]

    def _batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        images = self._set.images.index_select(0, indices).to(self._device)
        x = self._normalise(as_floats(self._augment.move(images, self._generator)))
        return self._augment.erase(x, self._generator), self._set.labels[indices].to(self._device)

    @property
    def state(self) -> dict[str, Any]:
        """Where the batches stand, for a checkpoint: order, cursor and the generator's state."""
        return {"order": self._order, "cursor": self._cursor, "generator": self._generator.get_state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._order, self._cursor = state["order"].clone(), int(state["cursor"])
        self._generator.set_state(state["generator"])


def in_order(
    image_set: ImageSet, batch_size: int, *, normalise: Normalise, device: torch.device | str = "cpu"
) -> Iterator[tuple[Tensor, Tensor]]:
    """One pass over all images as they are, for evaluation: (x float32 N×C×H×W, y int64 N), the last may be
    short.
    """
    normalise = normalise.to(device)
    for start in range(0, len(image_set), batch_size):
        part = slice(start, start + batch_size)
        yield normalise(as_floats(image_set.images[part].to(device))), image_set.labels[part].to(device)
