"""Whether a search has collapsed to skip connections.

A supernet trains fastest through skip connections, so that a search which goes on for too long comes to
prefer them over operations that would do better by themselves (Liang et al. 2019, DARTS+,
https://arxiv.org/abs/1909.06035; Zela et al. 2020, https://arxiv.org/abs/1909.09656).
"""

from nasturtium.oneshot.diagnostics import OperationKinds
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_of
from nasturtium.space.search_space import SearchSpace

FEWEST = 2  # skip connections of a cell; DARTS+ ends its search at this number


def collapse(kinds: OperationKinds, arch: Architecture, space: SearchSpace) -> str | None:
    """A sentence if `arch` has collapsed, else None.

    It has where, of the decisions of one cell (or of all outside of cells) that offer both a skip connection
    and an operation with parameters, two or more take the skip, and they are more than half. DARTS+ looks at
    the number alone, which chance often reaches in its space; that they are the majority is our addition.
    """
    skipping = kinds.skipping(arch)
    cells: dict[str | None, list[str]] = {}
    for name in skipping:
        cells.setdefault(cell_of(name, space), []).append(name)
    found = []
    for cell, names in cells.items():
        skips = sum(skipping[name] for name in names)
        if skips >= FEWEST and 2 * skips > len(names):
            chance = sum(len(kinds.decisions[n].skips) / len(kinds.decisions[n].options) for n in names)
            where = "" if cell is None else f" of cell {cell!r}"
            found.append(f"{skips} of {len(names)} operations{where} (by chance it would be {chance:.1f})")
    if not found:
        return None
    return (
        f"The search has collapsed to skip connections: they are {' and '.join(found)}. Such an architecture"
        " is easy to train but weak: search for fewer epochs or with stronger weight decay (robust-darts does"
        " both), or by p-darts, which allows few of them."
    )
