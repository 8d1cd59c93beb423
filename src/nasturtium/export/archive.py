"""A trained network on disk: `weights.safetensors` and `architecture.json`."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from nasturtium.core.errors import DataError, StorageError

WEIGHTS = "weights.safetensors"
ARCHITECTURE = "architecture.json"


def save_archive(folder: Path | str, net: nn.Module, architecture: Mapping[str, Any]) -> None:
    """Write the weights of `net` and the JSON-able `architecture`, each file whole or not at all.

    Raises `StorageError` if the folder can't be written (full disk, no permission).
    """
    text = json.dumps(dict(architecture), indent=2) + "\n"
    write_whole(Path(folder) / WEIGHTS, save(plain_weights(net)))
    write_whole(Path(folder) / ARCHITECTURE, text.encode())


def load_weights(net: nn.Module, folder: Path | str) -> None:
    """Fill `net` with the weights in `folder`.

    Raises `StorageError` if they can't be read, `DataError` naming what does not fit.
    """
    path = Path(folder) / WEIGHTS
    try:
        weights = load(path.read_bytes())
    except OSError as error:
        raise StorageError(f"can't read the weights {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise StorageError(f"the weights {path} are damaged ({error}); export the network again") from error
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise DataError(f"the weights {path} belong to another network: {error}") from error


def plain_weights(net: nn.Module) -> dict[str, Tensor]:
    """The state of `net` on the CPU, every tensor with memory of its own."""
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in net.state_dict().items()}


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or leave it as it was. Raises `StorageError` if it can't be written."""
    with storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp lets only its owner read
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Faults of the file system inside become `StorageError`s that name `path`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"can't write {path}: {error.strerror or error}; make room there or choose another folder"
        ) from error
