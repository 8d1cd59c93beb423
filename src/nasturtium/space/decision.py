"""A decision: a name and finitely many options, of which one (or k) is chosen."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

from nasturtium.core.errors import UsageError

Option = str | int | float
Value = Option | tuple[Option, ...]


@dataclass(frozen=True)
class Decision:
    """Choose one of `options`, or `k` of them (`k > 1` or `many=True`: the value is then a tuple in option
    order).

    Names are paths with `/` (`normal/4<-1`), never `.`, because they also name architecture parameters.
    `ordered` says that neighbouring options are similar (depths, widths, learning rates).
    """

    name: str
    options: tuple[Option, ...]
    k: int = 1
    ordered: bool = False
    many: bool = False

    def __post_init__(self) -> None:
        if not self.name or "." in self.name:
            raise UsageError(
                f"decision name {self.name!r}: use a non-empty name without '.', such as 'block/kernel'"
            )
        if not self.options:
            raise UsageError(f"decision {self.name!r} has no options")
        if any(isinstance(o, bool) or not isinstance(o, str | int | float) for o in self.options):
            raise UsageError(f"decision {self.name!r}: options must be text or numbers, got {self.options!r}")
        if len(set(self.options)) != len(self.options):
            raise UsageError(f"decision {self.name!r} lists an option twice: {self.options!r}")
        if not 1 <= self.k <= len(self.options):
            raise UsageError(f"decision {self.name!r} chooses {self.k} of {len(self.options)} options")
        if self.k > 1:
            object.__setattr__(self, "many", True)

    def count(self) -> int:
        """How many values there are."""
        return math.comb(len(self.options), self.k)

    def values(self) -> Iterator[Value]:
        """Every value, in option order."""
        if self.many:
            return itertools.combinations(self.options, self.k)
        return iter(self.options)

    def near(self, value: Value) -> list[Value]:
        """The values one step from `value`.

        Adjacent ones if ordered, one member exchanged if k of n, else all others.
        """
        if self.many:
            chosen = set(members(value))
            others = [o for o in self.options if o not in chosen]
            return [self._tuple(chosen - {out} | {new}) for out in members(value) for new in others]
        if self.ordered:
            at = self.options.index(members(value)[0])
            return list(self.options[max(at - 1, 0) : at] + self.options[at + 1 : at + 2])
        return [o for o in self.options if o != value]

    def changes(self, value: Value) -> list[Value]:
        """What a mutation may make of `value`: one member exchanged if k of n, else any other option."""
        return self.near(value) if self.many else [o for o in self.options if o != value]

    def wrong(self, value: object) -> str | None:
        """Why `value` is not one of this decision's values, or None."""
        if not self.many:
            if value in self.options and not isinstance(value, tuple | bool):
                return None
            return f"decision {self.name!r} got {value!r}; allowed: {self._allowed()}"
        if isinstance(value, tuple) and len(value) == self.k and value == self._tuple(set(value)):
            return None
        return f"decision {self.name!r} got {value!r}; allowed: {self.k}, in this order, of {self._allowed()}"

    def as_listed(self, value: Value) -> Value:
        """A right `value` in the options' own types: 1.0 becomes 1 if that is the option."""
        chosen = self._tuple(set(members(value)))
        return chosen if self.many else chosen[0]

    def _allowed(self) -> str:
        return ", ".join(str(o) for o in self.options)

    def _tuple(self, chosen: set[Option]) -> tuple[Option, ...]:
        return tuple(o for o in self.options if o in chosen)


def members(value: Value) -> tuple[Option, ...]:
    """The options that a value contains: itself, or its elements."""
    return value if isinstance(value, tuple) else (value,)
