"""The networks of NAS-Bench-Macro (Su et al. 2021, https://arxiv.org/abs/2103.11922), without the blocks."""

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

STAGES = (2, 3, 3)  # layers in each
LAYERS = [f"stage{s}/layer{i}" for s, layers in enumerate(STAGES, 1) for i in range(1, layers + 1)]
BLOCKS = ("identity", "mb3_k3", "mb6_k5")  # in the benchmark's own notation 0, 1 and 2


def to_graphs(arch: Architecture) -> tuple[CellGraph, ...]:
    """The stages, a chain each. They halve the image, so the first block counts as an operation always."""
    return tuple(
        CellGraph(
            f"stage{s}",
            inputs=1,
            nodes=("input", *(f"layer{i}" for i in range(1, layers + 1))),
            edges=tuple((i - 1, i, str(arch[f"stage{s}/layer{i}"])) for i in range(1, layers + 1)),
            output=(layers,),
            identity=("identity",),
        )
        for s, layers in enumerate(STAGES, 1)
    )


def to_string(arch: Architecture) -> str:
    """The benchmark's own notation: a digit for each layer, such as 01210121."""
    return "".join(str(BLOCKS.index(str(arch[name]))) for name in LAYERS)


SPACE = SearchSpace([Decision(name, BLOCKS) for name in LAYERS], graphs=to_graphs)
"""All 6,561 networks."""


def row_of(text: str) -> tuple[str, ...]:
    """A network in the benchmark's notation, eight digits 0, 1, 2, as a row of a table.

    Raises `UsageError` naming the layer that is wrong.
    """
    if len(text) != len(LAYERS):
        raise UsageError(
            f"{text!r} has {len(text)} digits; NAS-Bench-Macro has one for each of its {len(LAYERS)} layers"
        )
    for name, digit in zip(LAYERS, text, strict=True):
        if digit not in ("0", "1", "2"):
            raise UsageError(f"layer {name!r} got {digit!r}; expected 0 (identity), 1 (mb3_k3) or 2 (mb6_k5)")
    return tuple(BLOCKS[int(digit)] for digit in text)
