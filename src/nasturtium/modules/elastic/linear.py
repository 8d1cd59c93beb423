"""A fully connected layer with elastic widths."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import Axis, ElasticLayer, built, chosen
from nasturtium.space.architecture import Architecture


class ElasticLinear(ElasticLayer):
    """`nn.Linear` whose `in_` and `out` may be decisions; narrower layers use the first rows and columns."""

    def __init__(self, in_: Size, out: Size, *, bias: bool = True) -> None:
        super().__init__(in_, out)
        self.in_, self.out = in_, out
        largest = nn.Linear(built(in_), built(out), bias=bias)
        self.weight, self.bias = largest.weight, largest.bias

    def axes(self) -> Iterator[Axis]:
        """Rows are made, columns read."""
        yield Axis(self.weight, 0, self.out)
        yield Axis(self.weight, 1, self.in_, reads=True)
        if self.bias is not None:
            yield Axis(self.bias, 0, self.out)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Linear` with the chosen slice of the weights."""
        in_, out = chosen(self.in_, arch), chosen(self.out, arch)
        linear = nn.Linear(in_, out, bias=self.bias is not None).to(self.weight)
        with torch.no_grad():
            linear.weight.copy_(self.weight[:out, :in_])
            if self.bias is not None:
                linear.bias.copy_(self.bias[:out])
        return linear

    def forward(self, x: Tensor) -> Tensor:
        """(…, in) → (…, out) at the gated sizes."""
        in_, out = self.size(self.in_), self.size(self.out)
        return F.linear(x, self.weight[:out, :in_], None if self.bias is None else self.bias[:out])
