"""What elastic layers share: they own the largest weights and use a slice of them."""

from nasturtium.modules.choice import Choice, current
from nasturtium.modules.dims import Computed, Dim, Size, dims_of, evaluate, possible
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision


class ElasticLayer(Choice):
    """A layer with sizes that are decisions.

    It cannot mix several sizes, so it needs gates with one option.
    """

    runs_mixtures = False

    def __init__(self, *sizes: Size) -> None:
        super().__init__()
        self._dims = tuple(dict.fromkeys(dim for size in sizes for dim in dims_of(size)))

    def decisions(self) -> tuple[Decision, ...]:
        """One per dimension that the layer depends on."""
        return tuple(dim.decision for dim in self._dims)

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
