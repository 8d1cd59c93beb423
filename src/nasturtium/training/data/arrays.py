"""Arrays of unknown layout and type into images and labels."""

import numpy as np
import torch
from torch import Tensor

from nasturtium.core.errors import DataError
from nasturtium.training.data.image_set import ImageSet

CHANNELS = (1, 3, 4)


def image_set(
    images: np.ndarray, labels: np.ndarray, values: np.ndarray, classes: tuple[str, ...], *, what: str
) -> ImageSet:
    """Images N×H×W, N×H×W×C or N×C×H×W with their labels; `values[i]` is the label in the array for class i.

    Whole numbers 0–255 become uint8, other numbers float32. `what` names the arrays in a `DataError`.
    """
    if len(images) != len(labels):
        raise DataError(f"{what}: {len(images)} images, but {len(labels)} labels")
    positions = np.searchsorted(values, labels).clip(max=len(values) - 1)
    if not np.array_equal(values[positions], labels):
        strange = sorted(set(labels.tolist()) - set(values.tolist()))
        raise DataError(f"{what}: labels {strange[:5]} do not occur among the training labels")
    return ImageSet(_images(images, what), torch.from_numpy(positions.astype(np.int64)), classes)


def checked_labels(labels: np.ndarray, *, what: str) -> np.ndarray:
    """Labels as a vector of whole numbers; `DataError` if they are something else."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"{what}: labels must be one whole number per image, got {labels.dtype} of shape {labels.shape}"
        )
    return labels.astype(np.int64)


def _images(images: np.ndarray, what: str) -> Tensor:
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in CHANNELS:
        images = images.transpose(0, 3, 1, 2)
    elif images.ndim != 4 or images.shape[1] not in CHANNELS:
        raise DataError(
            f"{what}: images must be N×H×W, N×H×W×C or N×C×H×W with C one of 1, 3, 4, got {images.shape}"
        )
    return torch.from_numpy(np.ascontiguousarray(_values(images, what)))


def _values(images: np.ndarray, what: str) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(images.dtype, np.integer):
        if images.size and (images.min() < 0 or images.max() > 255):
            raise DataError(f"{what}: whole-number images must lie in 0–255; use floats for other ranges")
        return images.astype(np.uint8)
    if not np.issubdtype(images.dtype, np.floating):
        raise DataError(f"{what}: images must be numbers, got {images.dtype}")
    if not np.isfinite(images).all():
        raise DataError(f"{what}: some pixels are infinite or not a number")
    return images.astype(np.float32)
