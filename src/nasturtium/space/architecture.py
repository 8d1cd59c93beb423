"""An architecture: an immutable map from decision names to values, and nothing else."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Value


class Architecture(Mapping[str, Value]):
    """Holds the active decisions only.

    Equal maps are equal architectures, in any order and in any process.
    """

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        # by digest, because 1 == 1.0 but the two are written, and so hashed, differently
        return self.digest == other.digest if isinstance(other, Architecture) else NotImplemented

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits that name this architecture, the same in every process and on every
        machine.
        """
        return hashlib.sha256(json.dumps(self._values, sort_keys=True).encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)

    def to_json(self) -> str:
        """One JSON object; k-of-n values become lists."""
        return json.dumps(self._values)

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """The inverse of `to_json`; raises `UsageError` for text that is not such an object."""
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(f"this is not an architecture's JSON: {error}") from None
        if not isinstance(values, dict):
            raise UsageError(f"expected a JSON object of decision names and values, got {text[:40]!r}")
        return cls({name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})

    def __repr__(self) -> str:
        width = max((len(name) for name in self._values), default=0)
        lines = [f"  {name:<{width}} = {_text(value)}" for name, value in self._values.items()]
        return "\n".join([f"Architecture {self.digest}", *lines])


def _text(value: Value) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
