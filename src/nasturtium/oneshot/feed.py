"""The batches that a supernet is trained with."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from nasturtium.core.seeds import seed_for
from nasturtium.oneshot.parallel import own_part
from nasturtium.oneshot.settings import WeightSettings
from nasturtium.training.augment import Augment, Batches
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import LAYOUT
from nasturtium.training.normalise import Normalise


class Feed:
    """Shuffled and augmented batches of search-train and search-valid images, normalised alike.

    An epoch has `steps` batches of `train` (None: one pass) and `valid_steps` of `valid` (None: as many as of
    `train`). Trainings with another `name` draw other batches from the same `seed`.
    """

    def __init__(
        self,
        train: ImageSet,
        valid: ImageSet,
        settings: WeightSettings,
        *,
        seed: int,
        name: str,
        device: torch.device,
        steps: int | None,
        valid_steps: int | None = None,
    ) -> None:
        normalise = Normalise.measured(train)

        def loader(split: str, images: ImageSet, steps: int | None) -> Batches:
            own = seed_for(seed, name, split)
            return batches(images, settings, normalise=normalise, seed=own, device=device, steps=steps)

        self.images = len(train)
        self._train = loader("train", train, steps)
        self._valid = loader("valid", valid, len(self._train) if valid_steps is None else valid_steps)

    @property
    def steps(self) -> int:
        """How many batches of `train` an epoch has."""
        return len(self._train)

    def train(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of each batch of an epoch."""
        return map(prepared, self._train)

    def valid(self) -> Iterator[tuple[Tensor, Tensor]]:
        """This process's part of the next batches of search-valid images."""
        return map(prepared, self._valid)

    def state(self) -> list[dict[str, Any]]:
        """Where both stand."""
        return [self._train.state, self._valid.state]

    def load_state(self, state: list[dict[str, Any]]) -> None:
        """Go on where `state` was taken."""
        for loader, stood in zip((self._train, self._valid), state, strict=True):
            loader.load_state(stood)


def batches(
    images: ImageSet,
    settings: WeightSettings,
    *,
    normalise: Normalise,
    seed: int,
    device: torch.device,
    steps: int | None,
) -> Batches:
    """Shuffled and augmented batches of `images`, `steps` to an epoch (None: one pass)."""
    return Batches(
        images,
        settings.batch_size,
        generator=torch.Generator().manual_seed(seed),
        augment=Augment(crop_padding=settings.crop_padding, mirror=settings.mirror),
        normalise=normalise,
        device=device,
        steps=steps,
    )


def prepared(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """This process's part of a batch, its images in `LAYOUT`."""
    x, y = own_part(batch)
    return x.contiguous(memory_format=LAYOUT), y
