"""Expressions as text that knows where it may be broken into lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 100


@dataclass(frozen=True)
class Bracket:
    """`open`, items, `close`: the place where a long line breaks."""

    open: str
    items: tuple[Doc, ...]
    close: str
    separator: str = ", "

    @property
    def flat(self) -> str:
        """All on one line."""
        return self.open + self.separator.join(item.flat for item in self.items) + self.close


@dataclass(frozen=True)
class Doc:
    """Pieces of text and brackets, one after the other."""

    parts: tuple[str | Bracket, ...]

    @property
    def flat(self) -> str:
        """All on one line."""
        return "".join(part if isinstance(part, str) else part.flat for part in self.parts)

    def __add__(self, other: Doc | str) -> Doc:
        return Doc(self.parts + (text(other).parts if isinstance(other, str) else other.parts))

    def __radd__(self, other: str) -> Doc:
        return text(other) + self


def text(piece: str) -> Doc:
    """Text that is never broken."""
    return Doc((piece,))


def bracket(open_: str, items: Iterable[Doc], close: str, *, separator: str = ", ") -> Doc:
    """A call, list or tuple, e.g. `bracket("f(", [text("x")], ")")`."""
    return Doc((Bracket(open_, tuple(items), close, separator),))


def lines(doc: Doc, indent: int, *, reserve: int = 0) -> list[str]:
    """`doc` as lines of at most `WIDTH` columns, less `reserve` on the last, where it can be broken."""
    flat = " " * indent + doc.flat
    if len(flat) + reserve <= WIDTH:
        return [flat]
    at = _where_to_break(doc)
    if at is None:
        return [flat]
    broken = doc.parts[at]
    assert isinstance(broken, Bracket)
    head = " " * indent + Doc(doc.parts[:at]).flat + broken.open
    tail = " " * indent + broken.close + Doc(doc.parts[at + 1 :]).flat
    return [head, *_items(broken.items, indent + 4, broken.separator), tail]


def _where_to_break(doc: Doc) -> int | None:
    """The last bracket with something in it."""
    found = [i for i, part in enumerate(doc.parts) if isinstance(part, Bracket) and part.items]
    return found[-1] if found else None


def _items(items: Sequence[Doc], indent: int, separator: str) -> list[str]:
    """What stands between broken brackets: on one line if that is short, else one item a line."""
    together = " " * indent + separator.join(item.flat for item in items)
    plain = not any("(" in item.flat for item in items)
    if len(together) <= WIDTH and (plain or len(items) == 1):
        return [together]
    found: list[str] = []
    for item in items:
        *first, last = lines(item, indent, reserve=1)
        found += [*first, last + separator.strip()]
    return found
