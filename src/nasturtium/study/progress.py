"""How long work says how far it is; the command line draws it, everything else stays silent."""

from typing import Protocol


class Progress(Protocol):
    """One bar at a time: `start`, any number of `advance` and `say`, `finish`."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """A stage of `total` units (epochs, trials, seconds) begins."""

    def advance(self, done: int, **figures: float | str) -> None:
        """`done` units are behind us in all; `figures` are the latest numbers worth showing."""

    def finish(self) -> None:
        """The stage ended, well or not."""

    def say(self, text: str) -> None:
        """One line for the person watching."""


class Silent:
    """Shows nothing."""

    def start(self, stage: str, total: int, unit: str) -> None:
        """Shows nothing."""

    def advance(self, done: int, **figures: float | str) -> None:
        """Shows nothing."""

    def finish(self) -> None:
        """Shows nothing."""

    def say(self, text: str) -> None:
        """Shows nothing."""


SILENT: Progress = Silent()
