"""A folder of image files, one sub-folder per class."""

from pathlib import Path

import numpy as np
import torch

from nasturtium.core.errors import DataError
from nasturtium.training.data.base import DataSource, Parts
from nasturtium.training.data.decode import decode
from nasturtium.training.data.image_set import ImageSet

_SUFFIXES = (".jpg", ".jpeg", ".png")
_PARTS = {"train": ("train",), "valid": ("valid", "val"), "test": ("test",)}


class Folder(DataSource):
    """`train/<class>/*.jpg|jpeg|png`, with or without `valid/` (or `val/`) and `test/`; or `<class>/*`
    directly.

    All images are decoded once and kept in memory as uint8; `image_size` resizes them to that many pixels
    square.
    """

    def __init__(self, path: Path | str, *, image_size: int | None = None, mirror: bool = True) -> None:
        self._path = Path(path)
        self._image_size = image_size
        self.name = self._path.resolve().name
        self.mirror = mirror

    def _read(self) -> Parts:
        folders = self._folders()
        classes = tuple(folder.name for folder in _class_folders(folders["train"]))
        files = [
            (part, *found) for part, folder in folders.items() for found in self._files(folder, classes, part)
        ]
        pixels, positions = decode([path for _, path, _ in files], image_size=self._image_size)
        parts = np.array([part for part, _, _ in files])[positions]
        images = torch.from_numpy(pixels)
        labels = torch.tensor([label for _, _, label in files])[positions]

        def cut(part: str) -> ImageSet | None:
            found = torch.from_numpy(np.flatnonzero(parts == part))
            if not len(found):
                return None
            start, end = int(found[0]), int(found[-1]) + 1  # a part is one stretch: a view, not a copy
            return ImageSet(images[start:end], labels[start:end], classes)

        train = cut("train")
        assert train is not None
        return Parts(train, cut("valid"), cut("test"))

    def _folders(self) -> dict[str, Path]:
        found = {
            part: self._path / name
            for part, names in _PARTS.items()
            for name in names
            if (self._path / name).is_dir()
        }
        if "train" not in found:
            if found:
                raise DataError(f"{self._path} has {', '.join(p.name for p in found.values())}/, no train/")
            return {"train": self._path}
        return found

    def _files(self, folder: Path, classes: tuple[str, ...], part: str) -> list[tuple[Path, int]]:
        """(file, label) of all images of a part, sorted."""
        names = {path.name for path in _class_folders(folder)}
        if strange := sorted(names - set(classes)):
            raise DataError(f"{folder} has classes that are not in training: {', '.join(strange[:5])}")
        files = [
            (path, label)
            for label, name in enumerate(classes)
            if name in names
            for path in sorted((folder / name).iterdir(), key=lambda path: path.name)
            if path.suffix.lower() in _SUFFIXES
        ]
        if not files:
            raise DataError(
                f"{folder} has no images in class folders; the {part} part must look like "
                f"{folder / '<class>' / 'name.png'} (.jpg, .jpeg or .png)"
            )
        return files


def _class_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
