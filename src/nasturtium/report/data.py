"""What a report tells: plain data gathered from a run. Whatever an unfinished run lacks is None or empty."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from nasturtium.core.registry import Info
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.events import TrialRecord
from nasturtium.study.ledger import Ledger


@dataclass(frozen=True)
class DataFacts:
    """The images: their `shape` as (channels, height, width), and how many each split has, by its name."""

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    splits: Mapping[str, int]


@dataclass(frozen=True)
class Judged:
    """A trained network and its accuracy (0–1) on the test split; `label` is that of its training's trial."""

    label: str
    accuracy: float
    parameters: int


@dataclass(frozen=True)
class Verdict:
    """Whether the search paid off:

    all networks trained alike, for `epochs` passes over the images, and tested on `test_images`.
    """

    searched: Judged
    random: tuple[Judged, ...]
    residual: Judged
    epochs: float
    test_images: int
    paid_off: bool
    sentence: str

    @property
    def networks(self) -> tuple[Judged, ...]:
        """All of them, the found one first."""
        return (self.searched, *self.random, self.residual)

    @property
    def random_mean(self) -> float:
        """Mean accuracy of the random networks."""
        return statistics.fmean(net.accuracy for net in self.random)

    @property
    def random_std(self) -> float:
        """Standard deviation (n - 1) of their accuracies; 0 for a single one."""
        accuracies = [net.accuracy for net in self.random]
        return statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0

    def standard_error(self, accuracy: float) -> float:
        """How far chance in the choice of test images moves an accuracy (binomial, one standard error)."""
        return float((accuracy * (1 - accuracy) / self.test_images) ** 0.5)


@dataclass(frozen=True)
class ReportData:
    """Everything in a report.

    `searched` are the trials of a black-box search, `retrained` the final trainings. `space_size` is None
    where the size can't be counted, infinity where it is unbounded; `error` is what a failed run ended with.
    `genotype` is the architecture in the notation of its field, `cells` are its cells as graphs. `remarks`
    are sentences about the search; `found_after` is the epoch whose architecture was taken, and
    `shared_accuracy` what it reached on search-valid (0–1) with the weights of the supernet.
    """

    title: str
    command: str
    state: str
    seed: int
    method: Info
    space: Info
    space_size: int | float | None
    data: DataFacts
    versions: Mapping[str, str]
    machine: Mapping[str, str]
    search_space: SearchSpace
    ledger: Ledger
    architecture: Architecture | None = None
    genotype: str | None = None
    search_curve: tuple[SearchEpoch, ...] = ()
    searched: tuple[TrialRecord, ...] = ()
    retrained: tuple[TrialRecord, ...] = ()
    verdict: Verdict | None = None
    error: str | None = None
    cells: tuple[CellGraph, ...] = ()
    remarks: tuple[str, ...] = ()
    found_after: int | None = None
    shared_accuracy: float | None = None
