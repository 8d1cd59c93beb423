"""The structure of a network that may have any number of blocks, as data.

A network is stages of blocks; a block is one or more parallel convolutions whose sum is rectified, perhaps
with a skip connection around it.
"""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Value

NAME = re.compile(r"stage([1-9]\d*)/block([1-9]\d*)/(width|kernels|skip)")


@dataclass(frozen=True)
class Block:
    """Parallel convolutions with `kernels` (ascending) to `width` channels, perhaps with a skip."""

    width: int
    kernels: tuple[int, ...] = (3,)
    skip: bool = False


@dataclass(frozen=True, order=True)
class Place:
    """A block, counted from 1 in its stage, counted from 1."""

    stage: int
    block: int

    def __str__(self) -> str:
        return f"stage{self.stage}/block{self.block}"


FIRST = Place(1, 1)


@dataclass(frozen=True)
class Structure:
    """The blocks of each stage; between stages the image gets smaller."""

    stages: tuple[tuple[Block, ...], ...]

    def __getitem__(self, place: Place) -> Block:
        return self.stages[place.stage - 1][place.block - 1]

    def places(self) -> list[Place]:
        """Every block, in the order in which they run."""
        return [Place(s, b) for s, stage in enumerate(self.stages, 1) for b in range(1, len(stage) + 1)]

    def before(self, place: Place) -> Place | None:
        """The block that runs before `place`, None for the first one, which takes the image."""
        if place.block > 1:
            return Place(place.stage, place.block - 1)
        return Place(place.stage - 1, len(self.stages[place.stage - 2])) if place.stage > 1 else None

    def tied(self, place: Place) -> list[Place]:
        """The blocks that must be as wide as `place`, itself included, because skip connections join them."""
        order = self.places()
        first = last = order.index(place)
        while self[order[first]].skip:
            first -= 1
        while last + 1 < len(order) and self[order[last + 1]].skip:
            last += 1
        return order[first : last + 1]

    def changed(self, place: Place, block: Block) -> "Structure":
        """The same structure with another block at `place`."""
        return self._with(place.stage, place.block - 1, place.block, block)

    def inserted(self, after: Place, block: Block) -> "Structure":
        """The same structure with one more block."""
        return self._with(after.stage, after.block, after.block, block)

    def _with(self, stage: int, start: int, stop: int, block: Block) -> "Structure":
        old = self.stages[stage - 1]
        new = (*old[:start], block, *old[stop:])
        return Structure((*self.stages[: stage - 1], new, *self.stages[stage:]))

    def mended(self) -> "Structure":
        """The same structure without the skip connections between blocks of different widths."""
        found = self
        for place in self.places():
            before = self.before(place)
            fits = before is not None and self[before].width == self[place].width
            if self[place].skip and not fits:
                found = found.changed(place, replace(self[place], skip=False))
        return found

    def values(self) -> dict[str, Value]:
        """As decisions: `stage1/block2/width`, `…/kernels` and, except at the very first block, `…/skip`."""
        found: dict[str, Value] = {}
        for place in self.places():
            block = self[place]
            found[f"{place}/width"] = block.width
            found[f"{place}/kernels"] = block.kernels
            if self.before(place) is not None:
                found[f"{place}/skip"] = "yes" if block.skip else "no"
        return found


def structure_of(values: Mapping[str, Value], stages: int) -> Structure:
    """The inverse of `Structure.values`; raises `UsageError` naming the decision that is wrong."""
    met: list[set[str]] = [set() for _ in range(stages)]
    for name in values:
        match = NAME.fullmatch(str(name))
        if match is None or int(match[1]) > stages:
            raise UsageError(
                f"unknown decision {name!r}: expected stage<1 to {stages}>/block<number>/<width, kernels or"
                " skip>"
            )
        met[int(match[1]) - 1].add(match[2])
    # a gap in the numbers shows itself as a block without decisions
    numbers = [range(1, max(len(blocks), 1) + 1) for blocks in met]
    found = Structure(
        tuple(tuple(_block(values, Place(s, b)) for b in blocks) for s, blocks in enumerate(numbers, 1))
    )
    if f"{FIRST}/skip" in values:
        raise UsageError(f"decision '{FIRST}/skip' is given, but what comes in there is the image")
    for place in found.places():
        before = found.before(place)
        if found[place].skip and before is not None and found[before].width != found[place].width:
            raise UsageError(
                f"decision '{place}/skip' got yes, but {found[before].width} channels come in and"
                f" {found[place].width} go out"
            )
    return found


def without_settings(values: Mapping[str, Value]) -> dict[str, Value]:
    """The decisions about blocks."""
    return {name: value for name, value in values.items() if NAME.fullmatch(name)}


def completed(wish: Mapping[str, Value], other: Structure) -> Structure:
    """The structure with every allowed value of `wish`, the rest as in `other`.

    A stage has as many blocks as `wish` names without a gap, or those of `other` if it names none. A skip
    connection that would join two widths is left out.
    """
    stages = []
    for s, stage in enumerate(other.stages, start=1):
        named = {match[2] for name in wish if (match := NAME.fullmatch(name)) and match[1] == str(s)}
        count = next(b for b in itertools.count() if str(b + 1) not in named) or len(stage)
        blocks = [*stage, *[stage[-1]] * count][:count]
        stages.append(tuple(_wished(wish, Place(s, b), block) for b, block in enumerate(blocks, start=1)))
    return Structure(tuple(stages)).mended()


def _wished(wish: Mapping[str, Value], place: Place, other: Block) -> Block:
    values: dict[str, Value] = {"width": other.width, "kernels": other.kernels}
    values["skip"] = "yes" if other.skip else "no"
    for what, rule in RULES.items():
        name = f"{place}/{what}"
        if name in wish and rule.right(wish[name]):
            values[what] = wish[name]
    return _block({f"{place}/{what}": value for what, value in values.items()}, place)


def _block(values: Mapping[str, Value], place: Place) -> Block:
    """The block at `place`, whose decisions are checked one by one."""

    def get(what: str) -> Any:
        name, rule = f"{place}/{what}", RULES[what]
        if name not in values:
            raise UsageError(f"decision {name!r} is missing; allowed: {rule.allowed}")
        if not rule.right(values[name]):
            raise UsageError(f"decision {name!r} got {values[name]!r}; allowed: {rule.allowed}")
        return values[name]

    return Block(get("width"), get("kernels"), place != FIRST and get("skip") == "yes")


def _whole(value: object) -> bool:
    return type(value) is int and value > 0


def _kernels(value: object) -> bool:
    if not isinstance(value, tuple) or not value or not all(map(_whole, value)):
        return False
    return all(kernel % 2 for kernel in value) and value == tuple(sorted(value))


class Rule(NamedTuple):
    """What a decision about a block may be, in words and as a test."""

    allowed: str
    right: Callable[[object], bool]


RULES = {
    "width": Rule("a whole number of channels, 1 or more", _whole),
    "kernels": Rule("odd numbers in ascending order, such as (3, 5)", _kernels),
    "skip": Rule("no, yes", ("no", "yes").__contains__),
}
