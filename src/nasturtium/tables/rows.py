"""Rows that a file tells, checked against the space that it tells."""

from collections.abc import Sequence

from nasturtium.core.errors import UsageError
from nasturtium.space.conditions import ALWAYS
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Row


def refuse_foreign(space: SearchSpace, rows: Sequence[Row]) -> None:
    """Raise `UsageError` for the first row that is no architecture of `space`; each of its values is one of
    the decision's, or None.
    """
    conditional = any(condition != ALWAYS for condition in space.conditions.values())
    for number, row in enumerate(rows, start=1):
        if conditional or None in row:
            values = {name: v for name, v in zip(space.decisions, row, strict=True) if v is not None}
            if (why := space.why_not(values)) is not None:
                raise UsageError(f"row {number}: {why}")
