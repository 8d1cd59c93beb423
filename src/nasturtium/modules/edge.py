"""An edge of a cell: one of several operations of the form `factory(channels, stride)`."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import nn

from nasturtium.modules.one_of import OneOf

OpFactory = Callable[[int, int], nn.Module]


class Edge(OneOf):
    """One of `ops` at a given number of channels and stride.

    With `null` a relaxation may add a candidate that outputs zero (DARTS' `none`, which takes part in the
    softmax but is never derived).
    """

    def __init__(
        self, name: str, ops: Mapping[str, OpFactory], channels: int, stride: int = 1, *, null: bool = False
    ) -> None:
        super().__init__(name, {op: partial(factory, channels, stride) for op, factory in ops.items()})
        self.null = null
