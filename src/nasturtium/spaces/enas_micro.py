"""The micro space of ENAS (Pham et al. 2018, https://arxiv.org/abs/1802.03268).

A normal and a reduction cell of five nodes; each node adds two of five operations, each on one of the states
before it, and the states that no node uses are concatenated. Cells are stacked as NASNet's; both inputs of a
cell go through one 1×1 convolution (the authors' code has a second one on the previous cell's). While they
search, the authors bring the concatenation back to one width by a 1×1 convolution and pool before a reduction
cell; here the supernet is the final network with all its candidates.

The paper counts (5·5!)⁴ = 1.3·10¹¹ networks. Each node chooses two states and two operations, though, and so
there are (5⁵·6!)⁴ here.
"""

from collections.abc import Sequence

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.pair_cell import SIDES, input_of
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_image, space
from nasturtium.spaces.integers import read_integers
from nasturtium.spaces.pair_network import BOTH, PairNetwork, pair_graphs, pair_values

OPERATIONS = ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
"""In the order of the authors' numbers 0 to 4."""


@space(
    "enas-micro",
    summary="normal and reduction cell of 5 nodes, two of 5 operations each",
    paper="https://arxiv.org/abs/1802.03268",
    small={"channels": 4, "repeats": 1},
)
def enas_micro(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 36, repeats: int = 5
) -> Blueprint:
    """The published size is 5 normal cells a stage and 36 channels.

    Raises `UsageError` for images under 8×8.
    """
    require_image("enas-micro", input_shape)
    return Blueprint(
        lambda: PairNetwork(
            input_shape,
            classes,
            OPERATIONS,
            channels=channels,
            repeats=repeats,
            stem=3 * channels,
            raw_first=False,
        ),
        notation=lambda arch: " ".join(map(str, to_numbers(arch))),
        graphs=lambda arch: pair_graphs(arch, prepared=True),
        points={"ENAS micro": from_numbers(ENAS_MICRO)},
    )


def to_numbers(arch: Architecture) -> list[int]:
    """The authors' notation: 20 numbers for the normal cell, 20 for the reduction cell; of each node the left
    state and operation, the right state and operation.
    """
    numbers = []
    for ends in BOTH:
        for node in ends.nodes():
            for side in SIDES:
                op = arch[f"{ends.cell}/{node}/{side}/op"]
                numbers += [int(str(arch[input_of(ends.cell, node, side).name])), OPERATIONS.index(str(op))]
    return numbers


def from_numbers(numbers: str | Sequence[int]) -> Architecture:
    """The architecture of 40 numbers, a sequence of them or text with spaces between.

    Raises `UsageError` naming the cell, node and side for a state that does not come before its node, or an
    unknown operation.
    """
    left = read_integers(numbers)
    needed = sum(4 * ends.blocks for ends in BOTH)
    if len(left) != needed:
        raise UsageError(f"got {len(left)} numbers; an ENAS micro network is {needed}, four a node")
    values: dict[str, Value] = {}
    for ends in BOTH:
        for node in ends.nodes():
            for side in SIDES:
                source, op, *left = left
                if not 0 <= op < len(OPERATIONS):
                    known = ", ".join(f"{i} {name}" for i, name in enumerate(OPERATIONS))
                    raise UsageError(f"'{ends.cell}/{node}/{side}' got operation {op}; known: {known}")
                values |= pair_values(ends.cell, node, side, OPERATIONS[op], source, OPERATIONS)
    return Architecture(values)


ENAS_MICRO = (
    "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1"  # the normal cell
    " 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
)
"""The cells that the authors found, as their code trains them."""
