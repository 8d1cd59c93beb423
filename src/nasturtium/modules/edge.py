"""An edge of a cell: one of several operations of the form `factory(channels, stride)`."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from nasturtium.core.errors import CannotSearch
from nasturtium.modules.choice import current
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.partial import OnPart, shuffle, split
from nasturtium.space.architecture import Architecture

OpFactory = Callable[[int, int], nn.Module]


class Edge(OneOf):
    """One of `ops` at a given number of channels and stride.

    With `null` a relaxation may add a candidate that outputs zero (DARTS' `none`, which takes part in the
    softmax but is never derived). Built on a `part` of the channels (see `Building`), it raises
    `CannotSearch` if they make no equal parts. Identities can drop elements where `Building` says so.
    """

    def __init__(
        self, name: str, ops: Mapping[str, OpFactory], channels: int, stride: int = 1, *, null: bool = False
    ) -> None:
        part = current().part
        if channels % part:
            raise CannotSearch(
                f"edge {name!r} has {channels} channels, which make no {part} equal parts: give the network"
                f" a number of channels that is a multiple of {part}",
                others=("mixture",),
            )
        super().__init__(
            name, {op: partial(_built, factory, channels // part, stride) for op, factory in ops.items()}
        )
        self.part, self.stride = part, stride
        self.null = null

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The chosen operation; an identity that could drop elements no longer can."""
        op = super().derive(arch, inner)
        if isinstance(op, SkipDropout):
            op = nn.Identity()
        return op if self.part == 1 else OnPart(op, self.part, self.stride)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The gated sum of operations; `inputs` is one tensor B×C×…."""
        if self.part == 1:
            return super().forward(*inputs)
        first, rest = split(inputs[0], self.part, self.stride)
        return shuffle(super().forward(first), rest, self.part)


class SkipDropout(nn.Module):
    """An identity that in training zeroes each element with probability `rate` and scales up the rest.

    A skip connection is the easiest operation to learn through, so that a search soon prefers it; this makes
    it try the others for longer (P-DARTS, Chen et al. 2019, https://arxiv.org/abs/1904.12760).
    """

    rate = 0.0

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`; `x` itself in evaluation and at rate 0."""
        if not self.training or self.rate == 0.0:
            return x
        # a seed is drawn, not the elements, because the generator is on the CPU and `x` may not be
        seed = int(torch.randint(2**62, (), generator=self.generator))
        draws = torch.Generator(x.device).manual_seed(seed)
        keep = 1.0 - self.rate
        # new, not like `x`, because draws would follow the memory layout, which may differ from pass to pass
        return x * x.new_empty(x.shape).bernoulli_(keep, generator=draws) / keep


def _built(factory: OpFactory, channels: int, stride: int) -> nn.Module:
    op, generator = factory(channels, stride), current().skip_dropout
    return SkipDropout(generator) if type(op) is nn.Identity and generator is not None else op
