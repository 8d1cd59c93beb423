"""How the command line shows that work goes on: a live bar on a terminal, plain lines elsewhere."""

import time

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars
from rich.table import Column

_FIXED = Column(no_wrap=True)
QUIET_SECONDS = 5.0  # between two plain lines of one stage


class LiveBar:
    """One bar with the time left and the latest figures."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._task = TaskID(0)

    def start(self, stage: str, total: int, unit: str) -> None:
        """A new bar."""
        self._bars = Bars(
            TextColumn("[bold]{task.description}", table_column=_FIXED),
            BarColumn(bar_width=16),
            MofNCompleteColumn(table_column=_FIXED),
            TextColumn(f"{unit}, left", table_column=_FIXED),
            TimeRemainingColumn(compact=True, table_column=_FIXED),
            # gives way on a narrow terminal
            TextColumn(
                "{task.fields[figures]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            console=self._console,
            expand=True,
        )
        self._task = self._bars.add_task(stage, total=total, figures="")
        self._bars.start()

    def advance(self, done: int, **figures: float | str) -> None:
        """Move the bar."""
        if self._bars is not None:
            self._bars.update(self._task, completed=done, figures=spell(figures))

    def finish(self) -> None:
        """Leave the bar where it is."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, text: str) -> None:
        """A line above the bar."""
        self._console.print(text, highlight=False, markup=False)


class PlainLines:
    """A line when a stage begins, every few seconds, and at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage, self._unit, self._total, self._done = "", "", 0, 0
        self._began = self._shown = 0.0
        self._first: int | None = None

    def start(self, stage: str, total: int, unit: str) -> None:
        """Note what is counted."""
        self._stage, self._unit, self._total, self._done = stage, unit, total, 0
        self._began = self._shown = time.monotonic()
        self._first = None

    def advance(self, done: int, **figures: float | str) -> None:
        """A line, unless one was shown just now."""
        now = time.monotonic()
        if self._first is None:
            self._first = done - 1
        ended = self._done < self._total <= done  # said once, where trials go on within the last second
        self._done = done
        if not ended and now - self._shown < QUIET_SECONDS:
            return
        self._shown = now
        left = (now - self._began) / max(done - self._first, 1) * max(self._total - done, 0)
        self.say(f"{self._stage} {done}/{self._total} {self._unit}, {left:.0f} s left, {spell(figures)}")

    def finish(self) -> None:
        """Nothing to clear."""

    def say(self, text: str) -> None:
        """One line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def spell(figures: dict[str, float | str]) -> str:
    """Figures as text: accuracies as percentages.

    >>> spell({"loss": 0.51234, "valid_accuracy": 0.9})
    'loss 0.512, valid accuracy 90.0 %'
    """
    return ", ".join(f"{name.replace('_', ' ')} {_number(name, value)}" for name, value in figures.items())


def _number(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{100 * value:.1f} %" if name.endswith("accuracy") else f"{value:.3g}"
