"""The NAS-Bench-301 space: the cells of DARTS under the benchmark's own names (Zela et al. 2022,
https://arxiv.org/abs/2008.09777).

The benchmark writes a cell as flat settings: `edge_normal_0` to `edge_normal_13` are the operations of the 14
possible edges, those into the first node first, and `inputs_node_normal_3` (to 5) are the two states that a
node uses, such as `0_2`; the first node always uses states 0 and 1. Reduction cells are written likewise.
"""

from collections.abc import Mapping

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blueprint import Blueprint
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value, members
from nasturtium.spaces.base import space
from nasturtium.spaces.darts import DARTS_V2, NODES, PRIMITIVES, darts_blueprint

PREFIX = "NetworkSelectorDatasetInfo:darts:"
CELLS = ("normal", "reduce")
FIRST = 2  # the first node; states before it are the cell's inputs


@space(
    "nasbench301",
    summary="the cells of DARTS as NAS-Bench-301 names and trains them",
    paper="https://arxiv.org/abs/2008.09777",
    small={"channels": 4, "cells": 3},
)
def nasbench301(
    input_shape: tuple[int, int, int],
    classes: int,
    *,
    channels: int = 32,
    cells: int = 8,
    auxiliary: int = 0,
) -> Blueprint:
    """The published size is 32 channels and 8 cells; the benchmark trains with the second classifier.

    Raises `UsageError` for images under 8×8 or fewer than 3 cells.
    """
    return darts_blueprint(
        "nasbench301",
        input_shape,
        classes,
        channels=channels,
        cells=cells,
        auxiliary=auxiliary,
        found={"DARTS_V2": DARTS_V2},
    )


def edge_number(node: int, source: int) -> int:
    """The benchmark's number of the edge from state `source` to node `node` (2 to 5)."""
    return sum(range(FIRST, node)) + source


def to_config(arch: Architecture) -> dict[str, str]:
    """An architecture of this space as the benchmark's settings."""
    config = {}
    for cell in CELLS:
        for node in range(FIRST, FIRST + NODES):
            sources = [int(source) for source in members(arch[f"{cell}/{node}/inputs"])]
            if node > FIRST:
                config[f"{PREFIX}inputs_node_{cell}_{node}"] = "_".join(map(str, sources))
            for source in sources:
                name = f"{PREFIX}edge_{cell}_{edge_number(node, source)}"
                config[name] = str(arch[f"{cell}/{node}<-{source}"])
    return config


def from_config(config: Mapping[str, object]) -> Architecture:
    """The architecture that the benchmark's settings describe.

    Settings that are not about cells (epochs, augmentation, `…:layers`) may be among them and are passed
    over. Raises `UsageError` naming the setting that is missing, has a wrong value, or is about an edge that
    no node uses.
    """
    if not isinstance(config, Mapping):
        raise UsageError(f"expected a mapping with settings such as '{PREFIX}edge_normal_0', got {config!r}")
    values: dict[str, Value] = {}
    used: set[str] = set()
    for cell in CELLS:
        for node in range(FIRST, FIRST + NODES):
            values |= _node(config, cell, node, used)
    about_cells = (f"{PREFIX}edge_", f"{PREFIX}inputs_node_")
    for name in config:
        if str(name).startswith(about_cells) and name not in used:
            raise UsageError(
                f"setting {name!r} is about no edge that these cells use; they use {', '.join(sorted(used))}"
            )
    return Architecture(values)


def _node(config: Mapping[str, object], cell: str, node: int, used: set[str]) -> dict[str, Value]:
    """The decisions of one node; adds the settings that it reads to `used`."""
    allowed = [f"{a}_{b}" for b in range(node) for a in range(b)]
    text = "0_1"
    if node > FIRST:
        text = _setting(config, f"{PREFIX}inputs_node_{cell}_{node}", sorted(allowed), used)
    sources = tuple(int(source) for source in text.split("_"))
    values: dict[str, Value] = {f"{cell}/{node}/inputs": sources}
    for source in sources:
        name = f"{PREFIX}edge_{cell}_{edge_number(node, source)}"
        values[f"{cell}/{node}<-{source}"] = _setting(config, name, list(PRIMITIVES), used)
    return values


def _setting(config: Mapping[str, object], name: str, allowed: list[str], used: set[str]) -> str:
    used.add(name)
    if name not in config:
        raise UsageError(f"setting {name!r} is missing; it can be {', '.join(allowed)}")
    value = config[name]
    if value not in allowed:
        raise UsageError(f"setting {name!r} is {value!r}: {did_you_mean(str(value), allowed)}")
    return str(value)
