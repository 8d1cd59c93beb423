"""The resolution of the input as a choice."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.dims import Size
from nasturtium.modules.elastic.base import ElasticLayer, chosen
from nasturtium.space.architecture import Architecture


class Resize(ElasticLayer):
    """Brings images of `height`×`width` to a chosen `size` of the shorter side, bilinear (without
    smoothing), keeping their proportions.
    """

    def __init__(self, size: Size, height: int, width: int) -> None:
        super().__init__(size)
        self.wanted, self.shape = size, (height, width)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """An `nn.Upsample` to the chosen size; nothing where the images have it."""
        shape = self._shape(chosen(self.wanted, arch))
        if shape == self.shape:
            return nn.Identity()
        return nn.Upsample(shape, mode="bilinear", align_corners=False)

    def _shape(self, size: int) -> tuple[int, int]:
        height, width = self.shape
        shorter = min(height, width)
        return round(height * size / shorter), round(width * size / shorter)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → B×C×H'×W' at the gated size."""
        shape = self._shape(self.size(self.wanted))
        if shape == self.shape:
            return x_BCHW
        return F.interpolate(x_BCHW, shape, mode="bilinear", align_corners=False)
