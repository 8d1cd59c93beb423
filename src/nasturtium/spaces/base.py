"""What a published space is: a function that makes a `Blueprint` for given data and network sizes."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.core.registry import Registry
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.example import random_images

SpaceFactory = Callable[..., Blueprint]
"""`space(input_shape, classes, *, …)`: `input_shape` is that of one example; keywords are network sizes."""

Takes = Literal["images", "tokens", "table", "fields", "graph"]
"""Images C×H×W; whole numbers L; numbers F; one category per field, F; a graph's nodes and links."""

Gives = Literal["classes", "pixels", "tokens"]
"""Scores of classes for each example, for each pixel, or of the next token at each position."""


@dataclass(frozen=True)
class Space:
    """A registered space. `shape` and `classes` are those of the published data; networks of the sizes
    `small` on examples of `small_shape` are quick to try.
    """

    make: SpaceFactory
    takes: Takes = "images"
    gives: Gives = "classes"
    shape: tuple[int, ...] = (3, 32, 32)
    classes: int = 10
    small_shape: tuple[int, ...] = (3, 16, 16)
    small: Mapping[str, int] = field(default_factory=dict)

    @property
    def trainable(self) -> bool:
        """Whether `nasturtium search` can train its networks: they classify images."""
        return (self.takes, self.gives) == ("images", "classes")

    @property
    def sizes(self) -> dict[str, int]:
        """The network sizes with their defaults."""
        parameters = inspect.signature(self.make).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


SPACES: Registry[Space] = Registry("spaces", "space")


def space(
    name: str,
    *,
    summary: str,
    paper: str,
    takes: Takes = "images",
    gives: Gives = "classes",
    shape: tuple[int, ...] = (3, 32, 32),
    classes: int = 10,
    small_shape: tuple[int, ...] = (3, 16, 16),
    small: Mapping[str, int] | None = None,
) -> Callable[[SpaceFactory], SpaceFactory]:
    """Decorator that registers a function as the space `name`; the fields are those of `Space`."""

    def enter(make: SpaceFactory) -> SpaceFactory:
        entry = Space(make, takes, gives, shape, classes, small_shape, small or {})
        SPACES.register(name, summary=summary, paper=paper, place=f"{make.__module__}.{make.__qualname__}")(
            entry
        )
        return make

    return enter


def make_space(
    name: str, input_shape: tuple[int, ...], classes: int, sizes: Mapping[str, int] | None = None
) -> Blueprint:
    """The blueprint of a registered space; raises `UsageError` for an unknown name, an input shape of another
    kind of input, and for sizes that are unknown or no whole numbers.
    """
    entry = SPACES.get(name)
    rank = len(entry.shape)
    if not isinstance(input_shape, Sequence) or len(input_shape) != rank or not all(map(_whole, input_shape)):
        raise UsageError(
            f"space {name!r} takes {entry.takes} of a shape such as {entry.shape}, whole numbers from 1; got"
            f" {input_shape!r}"
        )
    if not _whole(classes):
        raise UsageError(f"space {name!r} needs a whole number of classes from 1, got {classes!r}")
    _refuse_sizes(name, entry.sizes, sizes or {})
    blueprint = entry.make(tuple(input_shape), classes, **(sizes or {}))
    if blueprint.example is None and entry.takes in ("images", "table"):
        return blueprint.with_example(random_images(input_shape))
    return blueprint


def published(name: str) -> Blueprint:
    """The blueprint of a registered space for the data and at the sizes of its paper."""
    entry = SPACES.get(name)
    return make_space(name, entry.shape, entry.classes)


def _whole(number: object, least: int = 1) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def _refuse_sizes(name: str, known: Mapping[str, int], sizes: Mapping[str, int]) -> None:
    if not isinstance(sizes, Mapping):
        raise UsageError(f"space {name!r}: network sizes are names and numbers, got {sizes!r}")
    for size, value in sizes.items():
        if size not in known:
            raise UsageError(f"space {name!r} has no network size {size!r}: {did_you_mean(size, known)}")
        least = 0 if known[size] == 0 else 1  # a size that is 0 by default is a switch
        if not _whole(value, least):
            must = f"at least {least}" if isinstance(value, int) else "a whole number"
            raise UsageError(f"space {name!r}: network size {size!r} must be {must}, got {value!r}")


def require_image(space: str, input_shape: tuple[int, ...], least: int = 8) -> None:
    """Raise `UsageError` unless images are at least `least` pixels high and wide."""
    _, height, width = input_shape
    if min(height, width) < least:
        raise UsageError(
            f"space {space!r} needs images of at least {least}×{least} pixels, got {height}×{width};"
            " --image-size enlarges those of a folder"
        )


def require_text(text: object, example: str) -> str:
    """`text` without white space around it; raises `UsageError` if it is no text such as `example`."""
    if not isinstance(text, str):
        raise UsageError(f"expected text such as {example}, got {text!r}")
    return text.strip()
