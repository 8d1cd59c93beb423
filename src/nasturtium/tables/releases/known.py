"""Which reader a public release of a benchmark has, by the name that its authors gave the file."""

from collections.abc import Callable
from pathlib import Path

from nasturtium.tables.base import Table
from nasturtium.tables.releases import hw_nas_bench, nasbench101, nasbench_graph, nasbench_macro, natsbench

Reader = Callable[[Path], Table]

READERS: dict[str, Reader] = {
    ".tfrecord": nasbench101.read,
    ".pth": natsbench.read,
    ".pickle.pbz2": natsbench.read,
    ".pickle": hw_nas_bench.read,
    ".json": nasbench_macro.read,
    ".bench": nasbench_graph.read,
}


def reader_of(path: Path) -> Reader | None:
    """The reader of a file or of the folder of a release; None if it is none of these."""
    if path.is_dir():
        return natsbench.read
    return next((read for suffix, read in READERS.items() if path.name.endswith(suffix)), None)
