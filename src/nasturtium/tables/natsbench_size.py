"""The sizes of NATS-Bench (Dong et al. 2021, https://arxiv.org/abs/2009.00437), without the network that has
them.
"""

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

LAYERS = 5
WIDTHS = 8  # multiples of the narrowest width
STEP = 8
NAMES = tuple(f"layer{i}/channels" for i in range(1, LAYERS + 1))
OPTIONS = tuple(STEP * (i + 1) for i in range(WIDTHS))

SPACE = SearchSpace([Decision(name, OPTIONS, ordered=True) for name in NAMES])
"""All 32,768 networks."""


def row_of(text: str) -> tuple[int, ...]:
    """Widths in the benchmark's notation, `8:16:24:32:40`, as a row of a table.

    Raises `UsageError` naming the part that is wrong.
    """
    parts = text.split(":")
    if len(parts) != LAYERS:
        raise UsageError(
            f"{text!r} has {len(parts)} widths; NATS-Bench has {LAYERS}, joined by colons: 8:16:24:32:40"
        )
    known = {str(option): option for option in OPTIONS}
    for name, part in zip(NAMES, parts, strict=True):
        if part not in known:
            raise UsageError(f"decision {name!r} got {part!r} in {text!r}; allowed: {', '.join(known)}")
    return tuple(known[part] for part in parts)
