"""What a run has spent, by stage: the sum of the costs in its log."""

from collections.abc import Iterable
from dataclasses import dataclass

from nasturtium.problem.records import Cost
from nasturtium.study.events import Event, Told


@dataclass(frozen=True)
class Entry:
    """What one stage has spent, and how many finished trials are in it."""

    stage: str
    trials: int
    cost: Cost

    def row(self) -> dict[str, str | float]:
        """One row of a table, by column."""
        return {"stage": self.stage, "trials": self.trials, **self.cost.to_dict()}


@dataclass(frozen=True)
class Ledger:
    """The stages in the order in which they began."""

    entries: tuple[Entry, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Ledger":
        """Adds up a log."""
        trials: dict[str, int] = {}
        costs: dict[str, Cost] = {}
        for event in events:
            if event.stage:
                trials[event.stage] = trials.get(event.stage, 0) + isinstance(event, Told)
                costs[event.stage] = costs.get(event.stage, Cost()) + event.cost
        return cls(tuple(Entry(stage, trials[stage], cost) for stage, cost in costs.items()))

    @property
    def total(self) -> Entry:
        """All stages together."""
        cost = sum((entry.cost for entry in self.entries), Cost())
        return Entry("total", sum(entry.trials for entry in self.entries), cost)

    def rows(self) -> list[dict[str, str | float]]:
        """One row per stage, the total last."""
        return [entry.row() for entry in (*self.entries, self.total)]
