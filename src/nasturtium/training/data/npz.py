"""Images and labels in a NumPy file (.npz)."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from nasturtium.core.errors import DataError
from nasturtium.training.data.arrays import checked_labels, image_set
from nasturtium.training.data.base import DataSource, Parts
from nasturtium.training.data.image_set import ImageSet

_NAMES = {
    "train": (("x_train", "y_train"), ("images", "labels")),
    "valid": (("x_valid", "y_valid"), ("x_val", "y_val")),
    "test": (("x_test", "y_test"),),
}


class Npz(DataSource):
    """`x_train, y_train` or `images, labels`; with or without `x_valid, y_valid` (or `x_val, y_val`) and
    `x_test, y_test`.

    Images are N×H×W, N×H×W×C or N×C×H×W; labels are whole numbers. Objects (pickles) are never loaded.
    """

    mirror = True

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self.name = self._path.stem

    def _read(self) -> Parts:
        arrays = self._arrays()
        pairs = {part: self._pair(arrays, part) for part in _NAMES}
        if pairs["train"] is None:
            raise DataError(
                f"{self._path} has no arrays x_train and y_train, nor images and labels; "
                f"it has {', '.join(arrays) or 'none'}"
            )
        values = np.unique(pairs["train"][1])
        classes = tuple(str(value) for value in values)
        sets: dict[str, ImageSet | None] = {
            part: pair and image_set(*pair, values, classes, what=f"{self._path} ({part})")
            for part, pair in pairs.items()
        }
        train = sets["train"]
        assert train is not None
        return Parts(train, sets["valid"], sets["test"])

    def _arrays(self) -> dict[str, np.ndarray]:
        if not zipfile.is_zipfile(self._path):
            raise DataError(f"{self._path} is no whole .npz file, such as np.savez writes")
        try:
            with np.load(self._path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            hint = "; arrays of objects are not loaded, save numbers" if "pickle" in str(error) else ""
            raise DataError(f"{self._path} can't be read: {error}{hint}") from error

    def _pair(self, arrays: dict[str, np.ndarray], part: str) -> tuple[np.ndarray, np.ndarray] | None:
        """(images, labels) of a part, or None if it is not there; one without the other is a `DataError`."""
        for images, labels in _NAMES[part]:
            there = {images, labels} & arrays.keys()
            if len(there) == 1:
                raise DataError(f"{self._path} has {there.pop()!r}, but it needs {images!r} and {labels!r}")
            if there:
                return arrays[images], checked_labels(arrays[labels], what=f"{self._path} ({labels})")
        return None
