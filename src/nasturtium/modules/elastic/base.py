"""What elastic layers share: they own the largest weights and use a slice of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor

from nasturtium.modules.choice import Choice, current
from nasturtium.modules.dims import Computed, Dim, Size, dims_of, evaluate, possible
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision


@dataclass(frozen=True, eq=False)
class Axis:
    """A dimension of a layer's tensor along which entries are channels of `size`.

    `reads` says that the layer sums over them: it takes these channels instead of making them.
    """

    tensor: Tensor
    dimension: int
    size: Size
    reads: bool = False


class ElasticLayer(Choice):
    """A layer with sizes that are decisions.

    It cannot mix several sizes, so it needs gates with one option.
    """

    runs_mixtures = False

    def __init__(self, *sizes: Size) -> None:
        super().__init__()
        self.sizes = sizes
        self._dims = tuple(dict.fromkeys(dim for size in sizes for dim in dims_of(size)))

    def decisions(self) -> tuple[Decision, ...]:
        """One per dimension that the layer depends on."""
        return tuple(dim.decision for dim in self._dims)

    def axes(self) -> Iterable[Axis]:
        """Where this layer's tensors have channels that may be put into another order."""
        return ()

    def size(self, size: Size) -> int:
        """The size that the gates choose."""
        if isinstance(size, Computed):
            return size.function(self.values(size.reads))
        return evaluate(size, self._dimension)

    def _dimension(self, dim: Dim) -> int | float:
        value = self.value(dim.decision)
        assert isinstance(value, int | float)
        return value


def built(size: Size) -> int:
    """The size to allocate now: that of the architecture being built, or the largest."""
    arch = current().arch
    return max(possible(size)) if arch is None else chosen(size, arch)


def chosen(size: Size, arch: Architecture) -> int:
    """The size in `arch`."""
    if isinstance(size, Computed):
        return size.function({d.name: arch[d.name] for d in size.reads if d.name in arch})

    def value(dim: Dim) -> int | float:
        number = arch[dim.name]
        assert isinstance(number, int | float)
        return number

    return evaluate(size, value)
