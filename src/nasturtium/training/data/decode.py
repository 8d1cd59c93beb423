"""Image files to one uint8 array, decoded once, in parallel threads (Pillow leaves the interpreter lock)."""

import logging
import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from nasturtium.core.errors import DataError

_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)
_GREY, _COLOUR = ("1", "L"), ("LA", "P", "RGB", "RGBA", "CMYK", "YCbCr")
_CHUNK = 64
_SMALL_FILE = 2048
_BAD_SHARE = 0.01
_log = logging.getLogger("nasturtium")


def decode(paths: Sequence[Path], *, image_size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(images uint8 N×C×H×W, positions N in `paths`); C is 1 if all images are grey, otherwise 3.

    `image_size` resizes to that many pixels square (bilinear, antialiased); without it all must have one
    size. Unreadable files are left out and logged; more than 1 % of them, or sizes that differ, are a
    `DataError`.
    """
    first = next((image for image in (_try(path, image_size) for path in paths) if image is not None), None)
    if first is None:
        raise DataError(f"none of the {len(paths)} image files can be read, for example {paths[0]}")
    pixels = np.empty((len(paths), *first.shape[:2], 3), np.uint8)
    good, grey = np.zeros(len(paths), bool), np.zeros(len(paths), bool)

    def fill(start: int) -> None:
        for index in range(start, min(start + _CHUNK, len(paths))):
            image = _try(paths[index], image_size)
            if image is not None:
                _check_size(paths, index, image.shape, pixels.shape)
                pixels[index] = image
                good[index], grey[index] = True, image.shape[2] == 1

    with ThreadPoolExecutor(_threads(paths[0])) as pool:
        list(pool.map(fill, range(0, len(paths), _CHUNK)))
    _report([path for path, fine in zip(paths, good, strict=True) if not fine], len(paths))
    if not good.all():
        pixels = pixels[good]
    channels = 1 if grey[good].all() else 3
    return np.ascontiguousarray(pixels[..., :channels].transpose(0, 3, 1, 2)), good.nonzero()[0]


def _try(path: Path, image_size: int | None) -> np.ndarray | None:
    """uint8 H×W×1 (grey) or H×W×3, or None if the file is no readable image."""
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as file:
            if file.mode not in _GREY + _COLOUR:
                raise ValueError(f"mode {file.mode}")
            image = file.convert("L" if file.mode in _GREY else "RGB")
    except _UNREADABLE:
        return None
    if image_size is not None:
        image = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(image.height, image.width, -1)


def _threads(example: Path) -> int:
    """With small files (32×32 pixels) threads only wait for one another: two are slower than one."""
    return min(16, os.cpu_count() or 1) if example.stat().st_size > _SMALL_FILE else 1


def _check_size(paths: Sequence[Path], index: int, shape: tuple[int, ...], all_: tuple[int, ...]) -> None:
    if shape[:2] != all_[1:3]:
        raise DataError(
            f"images must have one size: {paths[index]} is {shape[1]}×{shape[0]} (width×height), {paths[0]} "
            f"is {all_[2]}×{all_[1]}. Resize them first, or give image_size to resize on loading"
        )


def _report(bad: Sequence[Path], total: int) -> None:
    if not bad:
        return
    names = ", ".join(str(path) for path in bad[:5]) + (", …" if len(bad) > 5 else "")
    if len(bad) > _BAD_SHARE * total:
        raise DataError(f"{len(bad)} of {total} image files can't be read: {names}. Replace or remove them")
    _log.warning("left out %d of %d image files that can't be read: %s", len(bad), total, names)
