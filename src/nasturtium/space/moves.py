"""Moves that enlarge a structure, each of which can keep what a trained network computes.

Widen and deepen are those of Net2Net (Chen et al. 2016, https://arxiv.org/abs/1511.05641); grow a kernel,
skip and branch are network morphisms (Wei et al. 2016, https://arxiv.org/abs/1603.01670; Elsken et al. 2017,
https://arxiv.org/abs/1711.04528).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace

from nasturtium.core.errors import UsageError
from nasturtium.space.structure import Block, Place, Structure

FIRST_KERNEL, LARGEST_KERNEL = 3, 7  # of the convolutions that `moves` proposes


@dataclass(frozen=True)
class Move(ABC):
    """A change of the block at `place`."""

    place: Place

    def apply(self, old: Structure) -> Structure:
        """The structure afterwards; raises `UsageError` naming the block and what is wrong."""
        if self.place not in old.places():
            counts = ", ".join(f"stage{s} has {len(stage)}" for s, stage in enumerate(old.stages, 1))
            raise self.wrong(f"there is no such block; counted from 1, {counts}")
        return self._applied(old)

    @abstractmethod
    def _applied(self, old: Structure) -> Structure:
        """`apply` at a block that is there."""

    def wrong(self, reason: str) -> UsageError:
        """The error that names this move."""
        return UsageError(f"{type(self).__name__} at {self.place}: {reason}")


@dataclass(frozen=True)
class Deepen(Move):
    """A block of the same width after this one, with one convolution."""

    kernel: int = FIRST_KERNEL

    def _applied(self, old: Structure) -> Structure:
        _refuse_even(self, self.kernel)
        return old.inserted(self.place, Block(old[self.place].width, (self.kernel,)))


@dataclass(frozen=True)
class Widen(Move):
    """More channels for this block, and for those that skip connections tie to it."""

    width: int

    def _applied(self, old: Structure) -> Structure:
        width = old[self.place].width
        if type(self.width) is not int:
            raise self.wrong(f"a width is a whole number of channels, not {self.width!r}")
        if self.width <= width:
            raise self.wrong(f"it has {width} channels already; widen it to more than that, not {self.width}")
        new = old
        for place in old.tied(self.place):
            new = new.changed(place, replace(old[place], width=self.width))
        return new


@dataclass(frozen=True)
class GrowKernel(Move):
    """A larger kernel, `to`, for one of the convolutions with `kernel`."""

    kernel: int
    to: int

    def _applied(self, old: Structure) -> Structure:
        kernels = list(old[self.place].kernels)
        if self.kernel not in kernels:
            raise self.wrong(f"it has no kernel {self.kernel}, but {', '.join(map(str, kernels))}")
        _refuse_even(self, self.to)
        if self.to <= self.kernel:
            raise self.wrong(f"kernel {self.kernel} can only grow, not become {self.to}")
        kernels.remove(self.kernel)
        return _with_kernels(old, self.place, [*kernels, self.to])


@dataclass(frozen=True)
class AddBranch(Move):
    """One more convolution beside those of this block."""

    kernel: int = FIRST_KERNEL

    def _applied(self, old: Structure) -> Structure:
        _refuse_even(self, self.kernel)
        return _with_kernels(old, self.place, [*old[self.place].kernels, self.kernel])


@dataclass(frozen=True)
class AddSkip(Move):
    """A skip connection around this block."""

    def _applied(self, old: Structure) -> Structure:
        block, before = old[self.place], old.before(self.place)
        if block.skip:
            raise self.wrong("it has a skip connection already")
        if before is None:
            raise self.wrong("the very first block takes the image, which can't be added to its output")
        if old[before].width != block.width:
            raise self.wrong(
                f"{old[before].width} channels come in and {block.width} go out; widen {before} or this first"
            )
        return old.changed(self.place, replace(block, skip=True))


def moves(structure: Structure) -> Iterator[Move]:
    """The small moves from here: a block of kernel 3 more, half as many channels again, a kernel two larger
    (up to 7), a skip connection or a branch of kernel 3 more.

    Blocks tied by skip connections are widened once, named by their first.
    """
    for place in structure.places():
        block, before = structure[place], structure.before(place)
        yield Deepen(place)
        if structure.tied(place)[0] == place:
            yield Widen(place, block.width + (block.width + 1) // 2)
        for kernel in sorted(set(block.kernels)):
            if kernel < LARGEST_KERNEL:
                yield GrowKernel(place, kernel, kernel + 2)
        yield AddBranch(place)
        if before is not None and structure[before].width == block.width and not block.skip:
            yield AddSkip(place)


def _with_kernels(old: Structure, place: Place, kernels: list[int]) -> Structure:
    return old.changed(place, replace(old[place], kernels=tuple(sorted(kernels))))


def _refuse_even(move: Move, kernel: int) -> None:
    if type(kernel) is not int or kernel < 1 or kernel % 2 == 0:
        raise move.wrong(f"kernel sizes are odd, so that the image keeps its size; got {kernel!r}")
