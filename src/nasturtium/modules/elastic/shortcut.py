"""A shortcut around a block whose widths and stride are decisions."""

from collections.abc import Callable, Iterable

from torch import Tensor, nn

from nasturtium.modules.choice import current
from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, chosen
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When


class ElasticShortcut(ElasticLayer):
    """The identity where a block keeps its shape; elsewhere a 1×1 convolution and a BatchNorm."""

    def __init__(self, in_: Size, out: Size, *, stride: Size = 1) -> None:
        super().__init__(in_, out, stride)
        self.in_, self.out, self.stride = in_, out, stride
        arch = current().arch
        always = in_ == out and stride == 1
        if not always and (arch is None or not self._keeps(arch)):
            self.projection = nn.Sequential(
                ElasticConv2d(in_, out, 1, stride=stride, bias=False), ElasticBatchNorm2d(out)
            )

    def _keeps(self, arch: Architecture) -> bool:
        return chosen(self.in_, arch) == chosen(self.out, arch) and chosen(self.stride, arch) == 1

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """The projection; it makes no decisions but those made here."""
        if hasattr(self, "projection"):
            yield None, self.projection

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An identity, or the projection at the chosen sizes."""
        return nn.Identity() if self._keeps(arch) else inner(self.projection)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×⌈H/stride⌉×⌈W/stride⌉ at the gated sizes."""
        keeps = self.size(self.in_) == self.size(self.out) and self.size(self.stride) == 1
        return x_BCHW if keeps else self.projection(x_BCHW)
