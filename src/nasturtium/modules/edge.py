"""An edge of a cell: one of several operations of the form `factory(channels, stride)`."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor, nn

from nasturtium.core.errors import CannotSplit
from nasturtium.modules.choice import current
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.partial import OnPart, shuffle, split
from nasturtium.space.architecture import Architecture

OpFactory = Callable[[int, int], nn.Module]


class Edge(OneOf):
    """One of `ops` at a given number of channels and stride.

    With `null` a relaxation may add a candidate that outputs zero (DARTS' `none`, which takes part in the
    softmax but is never derived). Built on a `part` of the channels (see `Building`), it raises
    `CannotSplit` if they make no equal parts.
    """

    def __init__(
        self, name: str, ops: Mapping[str, OpFactory], channels: int, stride: int = 1, *, null: bool = False
    ) -> None:
        part = current().part
        if channels % part:
            raise CannotSplit(
                f"edge {name!r} has {channels} channels, which make no {part} equal parts: give the network"
                f" a number of channels that is a multiple of {part}"
            )
        super().__init__(
            name, {op: partial(factory, channels // part, stride) for op, factory in ops.items()}
        )
        self.part, self.stride = part, stride
        self.null = null

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The chosen operation."""
        op = super().derive(arch, inner)
        return op if self.part == 1 else OnPart(op, self.part, self.stride)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The gated sum of operations; `inputs` is one tensor B×C×…."""
        if self.part == 1:
            return super().forward(*inputs)
        first, rest = split(inputs[0], self.part, self.stride)
        return shuffle(super().forward(first), rest, self.part)
