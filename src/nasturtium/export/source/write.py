"""A trained network as one readable file of plain torch that needs no nasturtium."""

import copy
import tempfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from nasturtium.export.archive import storing, write_whole
from nasturtium.export.source.checking import check
from nasturtium.export.source.page import page


def write_network_source(
    net: nn.Module, example: tuple[Tensor, ...], path: Path | str, *, title: str, notes: Mapping[str, str]
) -> None:
    """Write `network.py` for the trained `net`, which takes what `example` is (one batch of images, say).

    The file loads the `weights.safetensors` that `save_archive` puts beside it. It appears only after it has
    given the outputs of `net` in an interpreter without nasturtium. Modules that evaluation does not use are
    left out; modules of one class that differ in numbers only share one. `title` and `notes` go to the top.

    Raises `UsageError` naming a module whose forward or constructor can't be recovered,
    `NasturtiumError` if the outputs differ, `StorageError` if the file can't be written.
    """
    path = Path(path)
    evaluated = copy.deepcopy(net).cpu().eval()
    source = page(evaluated, example, title, notes).encode()
    with storing(path), tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "network.py").write_bytes(source)
        check(Path(folder), evaluated, example)
    write_whole(path, source)
