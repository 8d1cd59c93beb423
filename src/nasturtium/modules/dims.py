"""Sizes that are decisions: widths, kernel sizes, and numbers computed from them."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision, Value


@dataclass(frozen=True)
class Dim:
    """A size to be chosen, e.g. `Dim("mlp/width", (64, 128))`; the same name is the same size everywhere.

    A ratio such as `Dim("mlp/ratio", (3.5, 4.0))` is used through `derived`.
    """

    name: str
    options: tuple[int | float, ...]

    def __post_init__(self) -> None:
        options = tuple(self.options)  # a list could not be hashed
        if not all(isinstance(option, int | float) and option > 0 for option in options):
            raise UsageError(f"dimension {self.name!r}: sizes must be numbers more than 0, got {options}")
        object.__setattr__(self, "options", options)

    @property
    def decision(self) -> Decision:
        """The decision that this size is."""
        return Decision(self.name, self.options, ordered=True)


@dataclass(frozen=True)
class Derived:
    """A size computed from other sizes, e.g. the width after a concatenation. Made by `derived`."""

    function: Callable[..., int]
    dims: tuple[Dim, ...]
    hidden: bool = False


@dataclass(frozen=True)
class Computed:
    """A size computed from decisions that other modules make, e.g. the width after as many blocks as a depth
    says.

    `function` gets the values of those of `reads` that are active, by name; `sizes` are all that it returns.
    """

    function: Callable[[Mapping[str, Value]], int]
    reads: tuple[Decision, ...]
    sizes: tuple[int, ...]


Own = int | Dim | Derived  # sizes whose decisions the layer that has them makes itself
Size = Own | Computed


def derived(function: Callable[..., int], *sizes: Own, hidden: bool = False) -> Own:
    """The size `function(*sizes)`, which changes with every dimension that the given sizes depend on.

    `hidden` promises that nothing would change if these channels were in another order, in all layers that
    have this very size: others neither make nor read them, and what is in between works channel by channel.
    Only such channels can be sorted by their importance. Example: the width inside a block.
    """
    dims = tuple(dict.fromkeys(dim for size in sizes for dim in dims_of(size)))

    def of(*numbers: int | float) -> int:
        given = dict(zip(dims, numbers, strict=True)).__getitem__
        return function(*(_number(size, given) for size in sizes))

    return Derived(of, dims, hidden) if dims else of()


def dims_of(size: Size) -> tuple[Dim, ...]:
    """The dimensions that a size depends on, and that its layer so makes decisions of."""
    if isinstance(size, int | Computed):
        return ()
    return (size,) if isinstance(size, Dim) else size.dims


def evaluate(size: Own, value: Callable[[Dim], int | float]) -> int:
    """The size when `value` gives the size of each dimension; raises `UsageError` for a ratio by itself."""
    number = _number(size, value)
    if not isinstance(number, int):
        name = ", ".join(dim.name for dim in dims_of(size))
        raise UsageError(f"{name}: a layer needs a whole number, got {number}; round it with derived()")
    return number


def _number(size: Own, value: Callable[[Dim], int | float]) -> int | float:
    if isinstance(size, int):
        return size
    return value(size) if isinstance(size, Dim) else size.function(*map(value, size.dims))


def possible(size: Size) -> Iterator[int]:
    """Every value that a size can take."""
    if isinstance(size, Computed):
        yield from size.sizes
        return
    dims = dims_of(size)
    for values in itertools.product(*(dim.options for dim in dims)):
        yield evaluate(size, dict(zip(dims, values, strict=True)).__getitem__)
