"""The records that pass between a strategy, a study and an estimator. Plain data, JSON-able, torch-free."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from nasturtium.space.architecture import Architecture

Status = Literal["ok", "failed", "infeasible", "stopped"]


@dataclass(frozen=True)
class Cost:
    """What something cost. The ledger of a run is the sum of these.

    `seconds` is wall-clock time; `forward` and `backward` count mini-batch passes; `samples` counts examples
    that went forward in training; `epochs` counts passes over a training split (a part of a pass counts as
    that part); `queries` counts looked-up results.
    """

    seconds: float = 0.0
    forward: int = 0
    backward: int = 0
    samples: int = 0
    epochs: float = 0.0
    queries: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, float]:
        """The fields by name, as plain numbers."""
        return {
            "seconds": float(self.seconds),
            "forward": int(self.forward),
            "backward": int(self.backward),
            "samples": int(self.samples),
            "epochs": float(self.epochs),
            "queries": int(self.queries),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**values)


@dataclass(frozen=True)
class Fidelity:
    """How thoroughly an architecture is evaluated: `epochs` of training."""

    epochs: int


@dataclass(frozen=True)
class Proposal:
    """An architecture that a strategy wants evaluated; `fidelity` None means the problem's full one.

    `parent` is the number of an earlier trial of the same architecture, which was `ok` at a lower fidelity:
    its training is continued, and only what is added to it is spent. None: trained from the beginning.
    """

    arch: Architecture
    fidelity: Fidelity | None = None
    parent: int | None = None


@dataclass(frozen=True)
class Measurement:
    """What an evaluation found: final metrics, what it cost, and one record per epoch."""

    metrics: Mapping[str, float]
    cost: Cost = Cost()
    curve: tuple[Mapping[str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; numbers of any library become floats."""
        return {
            "metrics": _floats(self.metrics),
            "cost": self.cost.to_dict(),
            "curve": [_floats(point) for point in self.curve],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(values["metrics"], Cost.from_dict(values["cost"]), tuple(values["curve"]))


@dataclass(frozen=True)
class SearchEpoch:
    """An epoch of a gradient search: losses and accuracies (0–1) as met in training, and what it cost.

    `probabilities` has a row per decision, as they are at its end; what a row lacks to one belongs to the
    zero candidate. Where options don't compete, each has a weight of its own and rows have no certain sum.
    `entropy` is their mean uncertainty, 0 (decided) to 1 (all options alike). Of the architecture that they
    point to, `skips` counts the skip connections and `free_share` is the share (0–1) of operations without
    parameters, both among decisions that could have done otherwise. `eigenvalue` is the largest one of the
    Hessian of the validation loss. None is what was not measured or does not exist.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    probabilities: Mapping[str, Sequence[float]]
    cost: Mapping[str, float] = field(default_factory=dict)
    entropy: float | None = None
    skips: int | None = None
    free_share: float | None = None
    eigenvalue: float | None = None


@dataclass(frozen=True)
class Trial:
    """A proposal with its result. `losses` has one value per objective, smaller is better; only if `ok`.

    `violation` says by how much the problem's limits are exceeded; more than 0 only if `infeasible`.
    """

    id: int
    proposal: Proposal
    status: Status
    losses: tuple[float, ...] = ()
    measurement: Measurement = field(default_factory=lambda: Measurement({}))
    error: str | None = None
    violation: float = 0.0

    @property
    def rank(self) -> tuple[float, tuple[float, ...]]:
        """Smaller is better, among trials that did not fail: first within the limits, then by the losses."""
        return self.violation, self.losses


def _floats(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in figures.items()}
