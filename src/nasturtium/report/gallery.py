"""Draws one architecture of each of several search spaces, as pictures and as one page that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nasturtium.core.errors import StorageError
from nasturtium.core.registry import Info
from nasturtium.report.html import template
from nasturtium.report.pictures import cell_picture, decisions_picture
from nasturtium.report.style import Picture
from nasturtium.report.write import write_files
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs, other_decisions
from nasturtium.space.search_space import SearchSpace

PAGE = "gallery.html"


@dataclass(frozen=True)
class Exhibit:
    """A space with pictures of one of its architectures, and the architecture as its field writes it."""

    info: Info
    space: SearchSpace
    architecture: Architecture
    notation: str | None
    pictures: tuple[Picture, ...]


def exhibit(info: Info, space: SearchSpace, arch: Architecture, notation: str | None = None) -> Exhibit:
    """The cells of `arch` drawn, and a table of what it decides outside of them."""
    graphs = cell_graphs(arch, space)
    pictures = [cell_picture(i, graph) for i, graph in enumerate(graphs, start=1)]
    if other_decisions(arch, graphs):
        pictures.append(decisions_picture(arch, space, graphs))
    return Exhibit(info, space, arch, notation, tuple(pictures))


def write_gallery(exhibits: Sequence[Exhibit], folder: Path) -> Path:
    """Write a PNG file for each picture, named `<space>-<picture>.png`, and a page that shows them all.

    Returns the path of the page. Raises `StorageError` if the folder can't be written.
    """
    files = {f"{e.info.name}-{shown.name}.png": shown.png for e in exhibits for shown in e.pictures}
    files[PAGE] = template("gallery_page.html").render(exhibits=exhibits).encode()
    try:
        write_files(files, folder)
    except OSError as error:
        raise StorageError(
            f"the gallery can't be written to {folder}: {error.strerror or error}; free space or name another"
            " folder"
        ) from error
    return folder / PAGE
