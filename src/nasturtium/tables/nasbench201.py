"""The cells of NAS-Bench-201 (Dong & Yang 2020, https://arxiv.org/abs/2001.00326), without the network that
they are put into.
"""

import re

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Row

NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
NODES = (1, 2, 3)
EDGES = {f"cell/{node}<-{j}": (j, node) for node in NODES for j in range(node)}
FORM = r"\+".join(r"\|" + "".join(rf"({'|'.join(NAMES)})~{j}\|" for j in range(node)) for node in NODES)
CELL = re.compile(FORM)


def to_graphs(arch: Architecture) -> tuple[CellGraph]:
    """The one cell; it keeps the size of the image, so that a skip connection is an identity everywhere."""
    return (
        CellGraph(
            "cell",
            inputs=1,
            nodes=("input", "1", "2", "3"),
            edges=tuple((j, node, str(arch[name])) for name, (j, node) in EDGES.items()),
            output=(3,),
            identity=("skip_connect",),
            keeps_size=True,
            decisions=tuple(EDGES),
            form="written",
        ),
    )


SPACE = SearchSpace([Decision(name, NAMES) for name in EDGES], graphs=to_graphs)
"""All 15,625 cells."""


def row_of(text: str) -> Row:
    """A cell in the benchmark's notation, `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`, as a row of a table.

    Raises `UsageError` for a text that is none.
    """
    match = CELL.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is no cell of NAS-Bench-201, written |op~0|+|op~0|op~1|+|op~0|op~1|op~2| with"
            f" {', '.join(NAMES)}"
        )
    return match.groups()
