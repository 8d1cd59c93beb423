"""Errors written for the person who sees them.

Every error that a user can cause or mend derives from `NasturtiumError`; the command line prints its message
without a traceback and leaves with its `exit_code`. Anything else is a fault of nasturtium and keeps its
traceback.
"""

import difflib
from collections.abc import Iterable


class NasturtiumError(Exception):
    """Something failed that the user can understand; the command leaves with exit code 1."""

    exit_code = 1


class UsageError(NasturtiumError, ValueError):
    """What was asked for makes no sense (unknown name, wrong option, bad input); exit code 2."""

    exit_code = 2


class CannotSearch(UsageError):
    """A space that a method can't search; those with one of the abilities `others` may (see `METHODS`)."""

    def __init__(self, reason: str, others: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.others = others


class DataError(NasturtiumError, ValueError):
    """The data can't be used: unreadable images, too few of a class, sizes that differ."""


class Diverged(NasturtiumError):
    """The loss became infinite or not a number."""


class StorageError(NasturtiumError):
    """The store or a checkpoint can't be read or written (full disk, newer schema, damage)."""


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """The nearest known names as a sentence, or all of them when none is near.

    >>> did_you_mean("dart", ["darts", "random"])
    "did you mean 'darts'?"
    """
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    return "known: " + (", ".join(known) or "none")
