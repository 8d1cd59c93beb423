"""The tables that come with this package, by name, and what is searched on each."""

from collections.abc import Callable
from dataclasses import dataclass

from nasturtium.tables.base import Table
from nasturtium.tables.digits import digits_table


@dataclass(frozen=True)
class Shipped:
    """A table with its columns for a comparison: strategies see the `signal`, are judged by the `report`, and
    each architecture takes `seconds`.
    """

    table: Callable[[], Table]
    signal: str
    report: str
    seconds: str


SHIPPED = {"digits": Shipped(digits_table, "val_accuracy", "test_accuracy", "seconds")}
