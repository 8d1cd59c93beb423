"""Reading architectures that the field writes as whole numbers in a row."""

import re
from collections.abc import Sequence

from nasturtium.core.errors import UsageError


def read_integers(numbers: str | Sequence[int]) -> list[int]:
    """The numbers of a sequence, or of text with spaces or commas between, perhaps in brackets.

    Raises `UsageError` with the part that is no whole number.
    """
    if isinstance(numbers, str):
        parts: Sequence[object] = re.split(r"[\s,]+", numbers.strip(" \t\r\n[]()"))
    elif isinstance(numbers, list | tuple):
        parts = numbers
    else:
        raise UsageError(f"expected whole numbers, as text or in a list, got {numbers!r}")
    found = []
    for at, part in enumerate(parts):
        text = str(part)
        if not re.fullmatch(r"-?\d{1,9}", text, re.ASCII):
            raise UsageError(
                f"number {at + 1} is {text[:40]!r}; expected a whole number of at most nine digits"
            )
        found.append(int(text))
    return found
