"""What a person asks for: the options of one search, checked before anything is computed."""

import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, field_validator

from nasturtium.core.errors import UsageError
from nasturtium.core.settings import Settings


class SearchConfig(Settings):
    """One search, from data to a trained network. The same options with the same `run` resume it."""

    data: str = Field("digits", description="a data set's name, a folder of images, or an .npz file")
    space: str = Field("darts", description="the search space")
    method: str = Field("darts", description="how it is searched")
    budget: str = Field(
        "5m", description="for everything: '10m', '2h'; for the search alone: '20 epochs', '50 trials'"
    )
    seed: int = Field(0, ge=0, description="the same seed gives the same result on the same machine")
    run: str | None = Field(None, description="the run's name; an existing one is resumed")
    folder: Path = Field(Path("runs"), description="where runs are kept")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1 or mps")
    image_size: int | None = Field(
        None, ge=8, description="resize the images of a folder to this many pixels"
    )
    random_networks: int = Field(
        5, ge=2, description="random architectures that the found one is compared with"
    )
    search_net: dict[str, int] = Field(
        default_factory=dict, description="sizes of the network that is searched"
    )
    final_net: dict[str, int] = Field(
        default_factory=dict, description="sizes of the network that is trained at the end"
    )
    training: dict[str, Any] = Field(default_factory=dict, description="settings of the final training")
    searching: dict[str, Any] = Field(default_factory=dict, description="settings of the search")
    limits: dict[str, float] = Field(
        default_factory=dict, description="the most that the final network may have of parameters or flops"
    )
    search_settings: dict[str, list[float | int]] = Field(
        default_factory=dict, description="training settings to search jointly, each with its grid of values"
    )

    @field_validator("limits")
    @classmethod
    def _spelled_out(cls, limits: dict[str, float]) -> dict[str, float]:
        return {"parameters" if metric == "params" else metric: most for metric, most in limits.items()}

    @property
    def name(self) -> str:
        """The run's name: the given one, or one made of what is asked."""
        if self.run is not None:
            return self.run
        return f"{Path(self.data).stem}-{self.space}-{self.method}-{self.seed}".replace("/", "-")


def read_options(path: Path) -> dict[str, Any]:
    """The options in a YAML or TOML file; raises `UsageError` if it can't be read or is no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read the options in {path}: {error}") from None
    try:
        if path.suffix == ".toml":
            values: Any = tomllib.loads(text)
        elif path.suffix in (".yaml", ".yml"):
            values = yaml.safe_load(text)
        else:
            raise UsageError(f"{path}: options are read from .toml, .yaml or .yml files")
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path} is not well-formed: {error}") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path} must hold options as names and values, such as 'budget: 10m'")
    return {str(name).replace("-", "_"): value for name, value in values.items()}
