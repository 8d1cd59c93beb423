"""Places the boxes of a layered graph: columns from left to right, few crossings, nothing overlaps.

The method of Sugiyama, Tagawa & Toda 1981 (https://doi.org/10.1109/TSMC.1981.4308636): order each column by
the barycentres of its neighbours, then move boxes towards their neighbours as far as order and distances
allow.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

SWEEPS = 24

Key = Hashable
Link = tuple[Key, Key]


@dataclass(frozen=True)
class Box:
    """A box to be placed in column `column`, in inches; a higher `pull` makes its lines straighter."""

    column: int
    width: float
    height: float
    pull: float = 1.0


@dataclass(frozen=True)
class Place:
    """The centre of a placed box and its size, in inches."""

    x: float
    y: float
    width: float
    height: float


def place(boxes: Mapping[Key, Box], links: Sequence[Link], *, gap: float) -> dict[Key, Place]:
    """Where each box goes; y grows downwards from 0.

    Every link joins boxes of neighbouring columns, from left to right.
    """
    columns = _ordered(boxes, links)
    y = _heights(boxes, columns, links, gap)
    x = _widths(boxes, columns, links, y)
    top = min(y[key] - box.height / 2 for key, box in boxes.items())
    return {key: Place(x[box.column], y[key] - top, box.width, box.height) for key, box in boxes.items()}


def _neighbours(links: Sequence[Link]) -> tuple[dict[Key, list[Key]], dict[Key, list[Key]]]:
    left: dict[Key, list[Key]] = {}
    right: dict[Key, list[Key]] = {}
    for a, b in links:
        right.setdefault(a, []).append(b)
        left.setdefault(b, []).append(a)
    return left, right


def _ordered(boxes: Mapping[Key, Box], links: Sequence[Link]) -> list[list[Key]]:
    """The columns, each from top to bottom, with the fewest crossings that the sweeps met."""
    last = max(box.column for box in boxes.values())
    columns = [[key for key, box in boxes.items() if box.column == c] for c in range(last + 1)]
    left, right = _neighbours(links)
    best, fewest = columns, _crossings(columns, links)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        near = left if forwards else right
        columns = [list(column) for column in columns]
        for c in range(1, last + 1) if forwards else range(last - 1, -1, -1):
            at = {key: i for i, key in enumerate(columns[c - 1 if forwards else c + 1])}
            columns[c] = _by_barycentre(columns[c], near, at)
        crossings = _crossings(columns, links)
        if crossings < fewest:
            best, fewest = columns, crossings
    return best


def _by_barycentre(column: list[Key], near: Mapping[Key, list[Key]], at: Mapping[Key, int]) -> list[Key]:
    def centre(pair: tuple[int, Key]) -> float:
        i, key = pair
        others = [at[other] for other in near.get(key, ())]
        return sum(others) / len(others) if others else float(i)

    return [key for _, key in sorted(enumerate(column), key=centre)]


def _crossings(columns: Sequence[Sequence[Key]], links: Sequence[Link]) -> int:
    at = {key: (c, i) for c, column in enumerate(columns) for i, key in enumerate(column)}
    ends = [(at[a][0], at[a][1], at[b][1]) for a, b in links]
    return sum(
        first[0] == second[0] and (first[1] - second[1]) * (first[2] - second[2]) < 0
        for i, first in enumerate(ends)
        for second in ends[:i]
    )


def _heights(
    boxes: Mapping[Key, Box], columns: Sequence[Sequence[Key]], links: Sequence[Link], gap: float
) -> dict[Key, float]:
    """The y of each centre: boxes drift towards their neighbours, order and distances kept."""
    left, right = _neighbours(links)
    y: dict[Key, float] = {}
    for column in columns:
        step = 0.0
        for key in column:
            y[key] = step + boxes[key].height / 2
            step += boxes[key].height + gap
        y |= {key: y[key] - step / 2 for key in column}
    for sweep in range(3 * SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            wished, weights = [], []
            for key in column:
                others = [*left.get(key, ()), *right.get(key, ())]
                pulls = [boxes[key].pull * boxes[other].pull for other in others]
                total = sum(pulls)
                mean = sum(p * y[o] for p, o in zip(pulls, others, strict=True)) / total if total else y[key]
                wished.append(mean)
                weights.append(total or 1.0)
            y |= dict(zip(column, _apart(wished, weights, column, boxes, gap), strict=True))
    return y


def _apart(
    wished: Sequence[float],
    weights: Sequence[float],
    column: Sequence[Key],
    boxes: Mapping[Key, Box],
    gap: float,
) -> list[float]:
    """The positions nearest to `wished` (weighted least squares) that keep order and distances.

    Pool adjacent violators, after taking off the least distance from the first box.
    """
    offsets = [0.0]
    for above, below in zip(column[:-1], column[1:], strict=True):
        offsets.append(offsets[-1] + (boxes[above].height + boxes[below].height) / 2 + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, members
    for wish, weight, offset in zip(wished, weights, offsets, strict=False):
        mean, members = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (before * heavy + mean * weight) / (heavy + weight)
            weight, members = weight + heavy, members + many
        blocks.append((mean, weight, members))
    flat = [mean for mean, _, members in blocks for _ in range(members)]
    return [z + offset for z, offset in zip(flat, offsets, strict=False)]


def _widths(
    boxes: Mapping[Key, Box], columns: Sequence[Sequence[Key]], links: Sequence[Link], y: Mapping[Key, float]
) -> list[float]:
    """The x of each column's centre; a gap is wider the steeper its lines are."""
    wide = [max((boxes[key].width for key in column), default=0.0) for column in columns]
    x = [wide[0] / 2]
    for c in range(1, len(columns)):
        rise = max((abs(y[a] - y[b]) for a, b in links if boxes[b].column == c), default=0.0)
        between = min(0.26 + 0.2 * rise, 0.52)
        x.append(x[-1] + (wide[c - 1] + wide[c]) / 2 + between)
    return x
