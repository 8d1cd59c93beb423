"""Checkpoints that survive a kill, a full disk and damage: the newest intact one is always there."""

import hashlib
import io
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from nasturtium.core.errors import StorageError

_MAGIC = b"nasturtium checkpoint 1 sha256 "
_log = logging.getLogger("nasturtium")


class Checkpoints:
    """The last `keep` states of one thing, as files `<folder>/<stem>-<step>.checkpoint`.

    A file is one line with the SHA-256 of the rest, then what `torch.save` wrote. States are dicts of
    tensors, numbers, strings, lists and dicts: loading allows nothing else. One process writes at a time.
    """

    def __init__(self, folder: Path | str, stem: str, *, keep: int = 2) -> None:
        self.folder = Path(folder)
        self._stem = stem
        self._keep = keep

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write the state of `step` whole or not at all, then remove old ones. `StorageError` if it can't be
        written.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getbuffer()
        header = _MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n"
        final = self.folder / f"{self._stem}-{step:08d}.checkpoint"
        temporary = final.with_suffix(".temporary")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(temporary, header, payload)
            os.replace(temporary, final)
            _sync_folder(self.folder)
        except OSError as error:
            _remove(temporary)
            raise StorageError(
                f"can't save the checkpoint {final}: {error.strerror or error}. The checkpoint before it is "
                "intact; make room there or choose another folder, then start again to go on from it"
            ) from error
        for old in self._files()[self._keep :]:
            _remove(old)

    def latest(self) -> tuple[int, dict[str, Any]] | None:
        """(step, state on the CPU) of the newest intact checkpoint, or None; damaged ones are logged and
        passed over.
        """
        for path in self._files():
            try:
                return _step(path), _load(path)
            except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError) as error:
                _log.warning("checkpoint %s is damaged (%s); using the one before it", path, error)
        return None

    def _files(self) -> list[Path]:
        """All checkpoint files, newest first."""
        found = [
            path
            for path in self.folder.glob("*.checkpoint")
            if path.stem.rpartition("-")[0] == self._stem and path.stem.rpartition("-")[2].isdecimal()
        ]
        return sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _write(path: Path, header: bytes, payload: memoryview) -> None:
    with path.open("wb") as file:
        file.write(header)
        file.write(payload)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file that nothing depends on; one that can't be removed only takes room."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("can't remove %s: %s", path, error)


def _load(path: Path) -> dict[str, Any]:
    header, _, payload = path.read_bytes().partition(b"\n")
    if header != _MAGIC + hashlib.sha256(payload).hexdigest().encode():
        raise ValueError("its checksum does not fit")
    state: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True, map_location="cpu")
    return state
