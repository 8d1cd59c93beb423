"""Architectures as vectors of numbers, for models that predict from them and for measures of distance.

`onehot`: one position per decision and option, 1 where chosen; inactive decisions are all zero.
`continuous`: ordered decisions as the position of the chosen option, scaled to 0–1, and, if the decision can
be inactive, whether it is active; other decisions as in `onehot`.
`adjacency`, `path`, `graph-features`: the graphs of the cells (see `graph_encodings` and `graph_features`),
then the decisions that no cell shows, as in `continuous`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import ALWAYS
from nasturtium.space.decision import Decision, Value, members
from nasturtium.space.graph_arrays import CellArrays, CellShape, cell_arrays
from nasturtium.space.graph_encodings import adjacency, adjacency_names, path, path_names
from nasturtium.space.graph_features import feature_names, features

if TYPE_CHECKING:
    from nasturtium.space.search_space import SearchSpace

AT_ONCE = 4096  # architectures that are encoded together


@dataclass(frozen=True)
class CellEncoding:
    """An encoding of one cell: the names of its features, and their values."""

    names: Callable[[CellShape], list[str]]
    values: Callable[[CellShape, CellArrays], np.ndarray]


OF_CELLS = {
    "adjacency": CellEncoding(adjacency_names, adjacency),
    "path": CellEncoding(path_names, path),
    "graph-features": CellEncoding(feature_names, features),
}
KINDS = ("onehot", "continuous", *OF_CELLS)


def names(space: "SearchSpace", kind: str) -> tuple[str, ...]:
    """What each position of an encoding says. Raises `UsageError` as `encode` does."""
    _refuse(space, kind)
    if kind not in OF_CELLS:
        return tuple(_names(space, space.decisions, scaled=kind == "continuous"))
    encoding = OF_CELLS[kind]
    of_cells = [f"{shape.name}/{name}" for shape in space.layout.cells for name in encoding.names(shape)]
    return (*of_cells, *_names(space, space.layout.others, scaled=True))


def encode(space: "SearchSpace", archs: Sequence[Architecture], kind: str) -> np.ndarray:
    """n × features, float32. Raises `UsageError` for an unknown kind, for graphs of a space without cells,
    for a space without end and for architectures of another space.
    """
    _refuse(space, kind)
    if not isinstance(archs, Sequence):
        raise UsageError(f"give one architecture or a sequence of them, got a {type(archs).__name__}")
    if not archs:
        return np.zeros((0, len(names(space, kind))), np.float32)
    return np.concatenate(
        [_encode(space, archs[i : i + AT_ONCE], kind) for i in range(0, len(archs), AT_ONCE)]
    )


def _refuse(space: "SearchSpace", kind: str) -> None:
    if kind not in KINDS:
        raise UsageError(f"unknown encoding {kind!r}: {did_you_mean(kind, KINDS)}")
    if space.unbounded:
        raise UsageError(
            f"architectures of a space without end have no encoding {kind!r}: a vector has a fixed length"
        )
    if kind in OF_CELLS and not space.layout.cells:
        raise UsageError(
            f"the encoding {kind!r} needs cells and this space has none: use 'onehot' or 'continuous'"
        )


def _encode(space: "SearchSpace", archs: Sequence[Architecture], kind: str) -> np.ndarray:
    for arch in archs:
        space.refuse_foreign(arch)
    rows = [dict(arch) for arch in archs]
    if kind not in OF_CELLS:
        return _decided(space, rows, space.decisions, scaled=kind == "continuous")
    arrays = zip(space.layout.cells, cell_arrays(space, archs), strict=True)
    blocks = [OF_CELLS[kind].values(shape, cell) for shape, cell in arrays]
    return np.concatenate([*blocks, _decided(space, rows, space.layout.others, scaled=True)], axis=1)


def _decided(
    space: "SearchSpace", archs: Sequence[Mapping[str, Value]], chosen: Iterable[str], *, scaled: bool
) -> np.ndarray:
    """The values of the decisions `chosen`, n × features."""
    blocks = [np.zeros((len(archs), 0), np.float32)]
    for name in chosen:
        number: dict[Value | None, int] = {None: 0}  # the values that are met, in the order of meeting
        met = [number.setdefault(arch.get(name), len(number)) for arch in archs]
        table = np.stack([_vector(space, space.decisions[name], value, scaled=scaled) for value in number])
        blocks.append(table[met])
    return np.concatenate(blocks, axis=1)


def _vector(space: "SearchSpace", decision: Decision, value: Value | None, *, scaled: bool) -> np.ndarray:
    if value is not None and (wrong := decision.wrong(value)):
        raise UsageError(wrong)
    if not (scaled and _is_scaled(decision)):
        held = () if value is None else members(value)
        return np.array([option in held for option in decision.options], np.float32)
    at = 0 if value is None else decision.options.index(members(value)[0])
    position = at / max(len(decision.options) - 1, 1)
    switched = [] if space.conditions[decision.name] == ALWAYS else [value is not None]
    return np.array([position, *switched], np.float32)


def _names(space: "SearchSpace", chosen: Iterable[str], *, scaled: bool) -> list[str]:
    found = []
    for name in chosen:
        decision = space.decisions[name]
        if not (scaled and _is_scaled(decision)):
            found += [f"{name}={option}" for option in decision.options]
        else:
            found += [name, *([] if space.conditions[name] == ALWAYS else [f"{name} is active"])]
    return found


def _is_scaled(decision: Decision) -> bool:
    return decision.ordered and not decision.many
