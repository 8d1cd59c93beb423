"""What a published space is: a function that makes a `Blueprint` for given data and network sizes."""

import inspect
from collections.abc import Callable, Mapping

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.core.registry import Registry
from nasturtium.modules.blueprint import Blueprint

SpaceFactory = Callable[..., Blueprint]
"""`space(input_shape, classes, *, …)`: `input_shape` is (channels, height, width); keywords are sizes."""

SPACES: Registry[SpaceFactory] = Registry("spaces", "space")


def make_space(
    name: str, input_shape: tuple[int, int, int], classes: int, sizes: Mapping[str, int]
) -> Blueprint:
    """The blueprint of a registered space; raises `UsageError` for an unknown name or wrong network size."""
    known = sizes_of(name)
    for size, value in sizes.items():
        if size not in known:
            raise UsageError(f"space {name!r} has no network size {size!r}: {did_you_mean(size, known)}")
        least = 0 if known[size] == 0 else 1  # a size that is 0 by default is a switch
        if value < least:
            raise UsageError(f"space {name!r}: network size {size!r} must be at least {least}, got {value}")
    return SPACES.get(name)(input_shape, classes, **sizes)


def sizes_of(name: str) -> dict[str, int]:
    """The network sizes of a registered space with their defaults."""
    parameters = inspect.signature(SPACES.get(name)).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def require_image(space: str, input_shape: tuple[int, int, int], least: int = 8) -> None:
    """Raise `UsageError` unless images are at least `least` pixels high and wide."""
    _, height, width = input_shape
    if min(height, width) < least:
        raise UsageError(
            f"space {space!r} needs images of at least {least}×{least} pixels, got {height}×{width}"
        )
