"""Constructor calls as data, and what several of them have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Leaf:
    """A value in a constructor call; `role` names the argument. A `default` goes unsaid."""

    role: str
    value: Any
    default: Any = None
    required: bool = True


@dataclass(frozen=True)
class Slot:
    """A number that differs between the instances of a class: one value per instance."""

    role: str
    attribute: str
    values: tuple[Any, ...]
    required: bool = True


@dataclass(frozen=True)
class ModuleSlot:
    """A child of different kinds in the instances of a class: one constructor call per instance."""

    attribute: str
    values: tuple[Make, ...]


@dataclass(frozen=True)
class Make:
    """A call of `head` (a name, or a class of the file) with arguments by role."""

    head: Any
    args: tuple[tuple[str, Pattern], ...] = ()


Pattern = Leaf | Slot | ModuleSlot | Make


def is_number(value: Any) -> bool:
    """Whether a value is a number, or a tuple of them."""
    if isinstance(value, tuple):
        return all(is_number(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def generalise(items: Sequence[Pattern], attribute: str) -> Pattern | None:
    """The common form of one call per instance, slots where they differ; None if no numbers do."""
    first = items[0]
    if all(item == first for item in items):
        return first
    if isinstance(first, Leaf):
        leaves = [item for item in items if isinstance(item, Leaf) and is_number(item.value)]
        if len(leaves) < len(items):
            return None
        return Slot(first.role, attribute, tuple(leaf.value for leaf in leaves), first.required)
    calls = [item for item in items if isinstance(item, Make)]
    if len(calls) < len(items):
        return None
    if all(_signature(call) == _signature(calls[0]) for call in calls):
        args = [
            generalise(column, attribute)
            for column in zip(*([a for _, a in call.args] for call in calls), strict=True)
        ]
        found = [arg for arg in args if arg is not None]
        if len(found) == len(args):
            return Make(calls[0].head, tuple(zip((role for role, _ in calls[0].args), found, strict=True)))
    return ModuleSlot(attribute, tuple(calls))


def _signature(call: Make) -> tuple[Any, ...]:
    return call.head, tuple(role for role, _ in call.args)


def skeleton(pattern: Pattern) -> Any:
    """What two calls share that differ in numbers only."""
    if isinstance(pattern, Make):
        return _signature(pattern), tuple(skeleton(arg) for _, arg in pattern.args)
    value = pattern.value if isinstance(pattern, Leaf) else pattern
    return "number" if is_number(value) else value


def slots(pattern: Pattern) -> Iterator[Slot | ModuleSlot]:
    """The slots in a pattern, in reading order."""
    if isinstance(pattern, Slot | ModuleSlot):
        yield pattern
    elif isinstance(pattern, Make):
        for _, arg in pattern.args:
            yield from slots(arg)
