"""From what a person calls their data to its source."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.training.data.base import DATA, DataSource
from nasturtium.training.data.folder import Folder
from nasturtium.training.data.in_memory import InMemory
from nasturtium.training.data.npz import Npz

Spec = str | Path | DataSource | tuple[Tensor, Tensor] | Dataset[tuple[Tensor, int]]


def open_data(spec: Spec, *, image_size: int | None = None) -> DataSource:
    """The source behind a name, a folder, an .npz file, (images, labels), a map-style Dataset or a source
    itself.

    `image_size` resizes the images of a folder. `UsageError` if nothing fits, with what would.
    """
    source = _open_path(str(spec), image_size) if isinstance(spec, (str, Path)) else _open_object(spec)
    if image_size is not None and not isinstance(source, Folder):
        raise UsageError(f"image_size resizes the images of a folder; {source.name} is none")
    return source


def _open_path(spec: str, image_size: int | None) -> DataSource:
    if spec in DATA.names():
        return DATA.get(spec)()
    path = Path(spec).expanduser()
    if path.is_dir():
        return Folder(path, image_size=image_size)
    if path.is_file() and path.suffix == ".npz":
        return Npz(path)
    if path.is_file():
        problem = f"{spec} is a file, but no .npz"
    elif path.suffix or len(path.parts) > 1:
        problem = f"{spec} does not exist"
    else:
        problem = f"unknown data {spec!r}, and no such folder: {did_you_mean(spec, DATA.names())}"
    raise UsageError(
        f"{problem}. Data is a name ({', '.join(DATA.names())}), a folder with train/<class>/*.png or "
        "<class>/*.jpg, or an .npz file with x_train and y_train"
    )


def _open_object(spec: Any) -> DataSource:
    if isinstance(spec, DataSource):
        return spec
    if isinstance(spec, (tuple, list)) and len(spec) == 2:
        return InMemory(torch.as_tensor(spec[0]), torch.as_tensor(spec[1]))
    if isinstance(spec, Dataset) and _is_map_style(spec):
        return InMemory.from_dataset(spec)
    raise UsageError(
        f"data can't be a {type(spec).__name__}: give a name, a folder, an .npz file, (images, labels) as "
        "tensors, or a map-style Dataset of (image tensor, label)"
    )


def _is_map_style(dataset: Any) -> bool:
    length: Callable[[], int] | None = getattr(dataset, "__len__", None)
    return length is not None and hasattr(dataset, "__getitem__")
