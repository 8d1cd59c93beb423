"""Neural architecture search for PyTorch.

One search space for every method, honest costs, a trained network.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasturtium.core.version import VERSION

if TYPE_CHECKING:
    from nasturtium.job import Space
    from nasturtium.result import Result
    from nasturtium.study.progress import Progress
    from nasturtium.training.data.sources import Spec

__version__ = VERSION
__all__ = ["load", "search"]

# What people write and use search spaces with, imported when first used because torch takes a second.
_WHERE = {
    "Blueprint": "modules.blueprint",
    "Cell": "modules.cells.cell",
    "Dim": "modules.dims",
    "Edge": "modules.edge",
    "ElasticBatchNorm2d": "modules.elastic.norm",
    "ElasticConv2d": "modules.elastic.conv",
    "ElasticLinear": "modules.elastic.linear",
    "InputChoice": "modules.inputs",
    "OneOf": "modules.one_of",
    "Repeat": "modules.repeat",
    "Rule": "space.constraints",
    "Supernet": "oneshot.supernet",
    "derive": "modules.derive",
    "derived": "modules.dims",
    "from_sequential": "modules.growth.from_sequential",
    "grow": "modules.growth.growing_network",
    "make_space": "spaces.base",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"nasturtium has no {name!r}")
    return getattr(import_module(f"nasturtium.{_WHERE[name]}"), name)


def search(
    *,
    data: "Spec" = "digits",
    space: "Space" = "darts",
    method: str = "darts",
    budget: str = "5m",
    seed: int = 0,
    run: str | None = None,
    folder: str | Path = "runs",
    device: str = "auto",
    image_size: int | None = None,
    random_networks: int = 5,
    search_net: Mapping[str, int] | None = None,
    final_net: Mapping[str, int] | None = None,
    training: Mapping[str, Any] | None = None,
    searching: Mapping[str, Any] | None = None,
    limits: Mapping[str, float] | None = None,
    search_settings: Mapping[str, Sequence[float]] | None = None,
    progress: "Progress | None" = None,
) -> "Result":
    """Search, train, judge, export and report; the same call again resumes or reads the run.

    `data` is a name, a folder, an .npz file, (images, labels) or a map-style Dataset. `space` is a registered
    name, a `Blueprint`, or your own network class, called with the input shape and the number of classes.
    `budget` is time for everything ("10m"), or what the search alone may take ("20 epochs", "50 trials").
    `limits` are what the final network may have at most ({"params": 3e5}, {"flops": 1e7}, for one image).
    `search_settings` are training settings to search jointly, each with its values in order. The other
    options are described in `SearchConfig`.

    Raises `NasturtiumError`s, `UsageError` among them for what makes no sense.
    """
    from nasturtium.core.config import SearchConfig
    from nasturtium.job import run_job
    from nasturtium.study.progress import SILENT

    named_data, named_space = isinstance(data, str | Path), isinstance(space, str)
    config = SearchConfig.parse(
        {
            "data": str(data) if named_data else type(data).__name__,
            "space": space if named_space else getattr(space, "__name__", type(space).__name__),
            "method": method,
            "budget": budget,
            "seed": seed,
            "run": run,
            "folder": folder,
            "device": device,
            "image_size": image_size,
            "random_networks": random_networks,
            "search_net": search_net or {},
            "final_net": final_net or {},
            "training": training or {},
            "searching": searching or {},
            "limits": limits or {},
            "search_settings": {name: list(values) for name, values in (search_settings or {}).items()},
        }
    )
    return run_job(
        config,
        data=None if named_data else data,
        space=None if named_space else space,
        progress=progress or SILENT,
    )


def load(run: str, folder: str | Path = "runs") -> "Result":
    """A run made earlier; raises `UsageError` if there is none of that name."""
    from nasturtium.result import Result

    return Result.read(Path(folder), run)
