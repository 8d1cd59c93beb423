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
        """A `Bilinear` to the chosen size; nothing where the images have it."""
        shape = self._shape(chosen(self.wanted, arch))
        return nn.Identity() if shape == self.shape else Bilinear(*shape)

    def _shape(self, size: int) -> tuple[int, int]:
        height, width = self.shape
        shorter = min(height, width)
        return round(height * size / shorter), round(width * size / shorter)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → B×C×H'×W' at the gated size."""
        shape = self._shape(self.size(self.wanted))
        return x_BCHW if shape == self.shape else _bilinear(x_BCHW, shape)


class Bilinear(nn.Module):
    """Brings images to `height`×`width`."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.shape = (height, width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → B×C×height×width."""
        return _bilinear(x_BCHW, self.shape)


def _bilinear(x_BCHW: Tensor, shape: tuple[int, int]) -> Tensor:
    return F.interpolate(x_BCHW, shape, mode="bilinear", align_corners=False)
