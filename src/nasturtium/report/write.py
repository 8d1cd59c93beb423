"""Writes a report into a folder: the page, its pictures, the architecture and the table of trials."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from nasturtium.core.errors import StorageError
from nasturtium.report.data import ReportData
from nasturtium.report.html import page
from nasturtium.report.pictures import draw
from nasturtium.report.tables import pretty_json, trials_csv

PAGE = "report.html"


def write_report(data: ReportData, folder: Path) -> Path:
    """Writes `report.html`, the pictures as PNG files, `architecture.json` if one was found, and `trials.csv`
    if there are trials; returns the path of the page.

    A file is replaced as a whole, the page last. Raises `StorageError` if a file can't be written.
    """
    pictures = draw(data)
    files = {f"{picture.name}.png": picture.png for picture in pictures.all()}
    if data.architecture is not None:
        files["architecture.json"] = pretty_json(data.architecture.to_json()).encode()
    trials = (*data.searched, *data.retrained)
    if trials:
        files["trials.csv"] = trials_csv(trials).encode()
    files[PAGE] = page(data, pictures).encode()
    try:
        write_files(files, folder)
    except OSError as error:
        raise StorageError(
            f"the report can't be written to {folder}: {error.strerror or error}; the run itself is intact: "
            "free space or name another folder, and write the report again"
        ) from error
    return folder / PAGE


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files by name into a folder, each whole or not at all; raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        _replace(folder / name, content)


def _replace(path: Path, content: bytes) -> None:
    """Writes a file beside `path` and then puts it in its place, so that nobody meets half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o644)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
