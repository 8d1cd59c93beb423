"""One registry for every kind of thing that people add: spaces, methods, strategies, data, operations.

A registry belongs to a room (a sub-package). On first use it imports the room's files and the entry points of
other people's packages (group `nasturtium.<room>`), so a new thing is one new file and no list grows.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.core.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class Info:
    """What a registered thing says about itself; feeds the command line, the docs and the reports.

    `settings` are those that a person may change, as they are if nobody does; None: there are none.
    """

    name: str
    summary: str
    paper: str = ""
    abilities: frozenset[str] = frozenset()
    settings: Settings | None = None


class Registry(Generic[T]):
    """Names to things of one kind, found by listing the files of `nasturtium.<room>`."""

    def __init__(self, room: str, noun: str) -> None:
        self._room = room
        self._noun = noun
        self._entries: dict[str, tuple[Info, T, str]] = {}
        self._discovered = False

    def register(
        self,
        name: str,
        *,
        summary: str,
        paper: str = "",
        abilities: Iterable[str] = (),
        settings: Settings | None = None,
        place: str = "",
    ) -> Callable[[T], T]:
        """Decorator that enters a thing under `name`; `place` is where it is defined, if it can't tell.

        A name used twice is a `ValueError` naming both places.
        """

        def enter(thing: T) -> T:
            at = place or f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', thing)}"
            known = self._entries.get(name)
            if known is not None and known[2] != at:
                raise ValueError(f"{self._noun} {name!r} is registered twice: by {known[2]} and by {at}")
            self._entries[name] = (Info(name, summary, paper, frozenset(abilities), settings), thing, at)
            return thing

        return enter

    def get(self, name: str) -> T:
        """The thing called `name`; an unknown name is a `UsageError` with the nearest known ones."""
        return self._entry(name)[1]

    def info(self, name: str) -> Info:
        """What the thing called `name` says about itself."""
        return self._entry(name)[0]

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        self._discover()
        return tuple(sorted(self._entries))

    def _entry(self, name: str) -> tuple[Info, T, str]:
        self._discover()
        if name not in self._entries:
            raise UsageError(f"unknown {self._noun} {name!r}: {did_you_mean(name, self._entries)}")
        return self._entries[name]

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        package = importlib.import_module(f"nasturtium.{self._room}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"nasturtium.{self._room}.{module.name}")
        for entry in entry_points(group=f"nasturtium.{self._room}"):
            entry.load()
