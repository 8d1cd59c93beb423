"""Images that are already in memory: tensors, or a map-style torch Dataset."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nasturtium.core.errors import DataError
from nasturtium.training.data.arrays import checked_labels, image_set
from nasturtium.training.data.base import DataSource, Parts


class InMemory(DataSource):
    """All parts are cut from `images` (N×H×W, N×H×W×C or N×C×H×W) and `labels` (N whole numbers)."""

    name = "in-memory"

    def __init__(
        self,
        images: Tensor,
        labels: Tensor,
        *,
        classes: tuple[str, ...] | None = None,
        mirror: bool = True,
    ) -> None:
        self._images = images
        self._labels = labels
        self._classes = classes
        self.mirror = mirror

    @classmethod
    def from_dataset(cls, dataset: Dataset[tuple[Tensor, int]]) -> "InMemory":
        """Reads a map-style dataset of (image tensor C×H×W or H×W, label); class names from its `classes`, if
        any.
        """
        images: list[Tensor] = []
        labels: list[int] = []
        length = len(dataset)  # type: ignore[arg-type]  # torch leaves __len__ out of Dataset
        for index in range(length):
            image, label = dataset[index]
            if not isinstance(image, Tensor):
                raise DataError(
                    f"item {index} of {type(dataset).__name__} is a {type(image).__name__}, not a tensor; "
                    "convert images to tensors in the dataset (no augmentation)"
                )
            if images and image.shape != images[0].shape:
                raise DataError(
                    f"image {index} of {type(dataset).__name__} is {tuple(image.shape)}, image 0 is "
                    f"{tuple(images[0].shape)}; resize them to one size first"
                )
            images.append(image)
            labels.append(int(label))
        if not images:
            raise DataError(f"{type(dataset).__name__} is empty")
        names: Any = getattr(dataset, "classes", None)
        return cls(
            torch.stack(images), torch.tensor(labels), classes=tuple(map(str, names)) if names else None
        )

    def _read(self) -> Parts:
        labels = checked_labels(self._labels.cpu().numpy(), what="labels")
        values = np.unique(labels) if self._classes is None else np.arange(len(self._classes))
        classes = self._classes or tuple(str(value) for value in values)
        images = self._images.detach().cpu().numpy()
        return Parts(image_set(images, labels, values, classes, what="images in memory"))
