"""What a run's log consists of. Every event knows the stage it belongs to, what it cost, and its JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nasturtium.core.errors import StorageError
from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal, Status, Trial
from nasturtium.space.architecture import Architecture

Json = dict[str, Any]


@dataclass(frozen=True)
class TrialRecord:
    """A trial as it is stored: of a study, or a network trained outside one (`label` says which).

    `number` counts the trials of its stage from 0. `started` and `finished` are UTC times in ISO form.
    """

    stage: str
    number: int
    label: str = ""
    arch: Architecture | None = None
    fidelity: Fidelity | None = None
    status: Status | Literal["running"] = "running"
    losses: tuple[float, ...] = ()
    measurement: Measurement = field(default_factory=lambda: Measurement({}))
    error: str | None = None
    started: str | None = None
    finished: str | None = None

    def as_trial(self, proposal: Proposal, violation: float) -> Trial:
        """As the strategy that made `proposal` is told about it; the trial must have finished."""
        if self.status == "running":
            raise ValueError(f"trial {self.number} of stage {self.stage!r} has no result yet")
        return Trial(self.number, proposal, self.status, self.losses, self.measurement, self.error, violation)


@dataclass(frozen=True)
class Asked:
    """A strategy was asked for `n` proposals and gave these, numbered from `first`; it took `seconds`."""

    stage: str
    n: int
    first: int
    proposals: tuple[Proposal, ...]
    seconds: float

    @property
    def cost(self) -> Cost:
        """The time the strategy took."""
        return Cost(seconds=self.seconds)


@dataclass(frozen=True)
class Told:
    """A trial has its result."""

    stage: str
    trial: TrialRecord

    @property
    def cost(self) -> Cost:
        """What the evaluation cost."""
        return self.trial.measurement.cost


@dataclass(frozen=True)
class Epoch:
    """An epoch of a longer training is done; `record` holds its number as `epoch`, and its figures."""

    stage: str
    record: Mapping[str, float]
    cost: Cost = Cost()


@dataclass(frozen=True)
class Spent:
    """Something was spent that belongs to no epoch and no trial."""

    stage: str
    cost: Cost


@dataclass(frozen=True)
class StageFinished:
    """A stage is done and need not be run again; `payload` is what it found."""

    stage: str
    payload: Json
    cost: Cost = Cost()


@dataclass(frozen=True)
class Note:
    """A remark for the person who reads the run."""

    text: str
    stage: str = ""
    cost: Cost = Cost()


Event = Asked | Told | Epoch | Spent | StageFinished | Note


def encode(event: Event) -> tuple[str, Json]:
    """The kind of an event and its JSON-able payload."""
    match event:
        case Asked():
            proposals = [_proposal_to_json(p) for p in event.proposals]
            return "asked", {
                "stage": event.stage,
                "n": event.n,
                "first": event.first,
                "proposals": proposals,
                "seconds": event.seconds,
            }
        case Told():
            return "told", _trial_to_json(event.trial)
        case Epoch():
            record = {name: float(value) for name, value in event.record.items()}
            return "epoch", {"stage": event.stage, "record": record, "cost": event.cost.to_dict()}
        case Spent():
            return "spent", {"stage": event.stage, "cost": event.cost.to_dict()}
        case StageFinished():
            return "stage", {
                "stage": event.stage,
                "payload": event.payload,
                "cost": event.cost.to_dict(),
            }
        case Note():
            return "note", {"text": event.text}


def decode(kind: str, payload: Json) -> Event:
    """The inverse of `encode`; raises `StorageError` for a kind that this version does not know."""
    match kind:
        case "asked":
            proposals = tuple(_proposal_from_json(p) for p in payload["proposals"])
            return Asked(payload["stage"], payload["n"], payload["first"], proposals, payload["seconds"])
        case "told":
            return Told(payload["stage"], _trial_from_json(payload))
        case "epoch":
            return Epoch(payload["stage"], payload["record"], Cost.from_dict(payload["cost"]))
        case "spent":
            return Spent(payload["stage"], Cost.from_dict(payload["cost"]))
        case "stage":
            return StageFinished(payload["stage"], payload["payload"], Cost.from_dict(payload["cost"]))
        case "note":
            return Note(payload["text"])
    raise StorageError(f"the log holds an event of the unknown kind {kind!r}: upgrade nasturtium")


def arch_to_json(arch: Architecture | None) -> Json | None:
    """An architecture as a JSON object, None as null."""
    if arch is None:
        return None
    values: Json = json.loads(arch.to_json())
    return values


def arch_from_json(values: Json | None) -> Architecture | None:
    """The inverse of `arch_to_json`."""
    return None if values is None else Architecture.from_json(json.dumps(values))


def _proposal_to_json(proposal: Proposal) -> Json:
    return {
        "arch": arch_to_json(proposal.arch),
        "epochs": _epochs(proposal.fidelity),
        "parent": proposal.parent,
    }


def _proposal_from_json(values: Json) -> Proposal:
    arch = Architecture.from_json(json.dumps(values["arch"]))
    return Proposal(arch, _fidelity(values["epochs"]), values.get("parent"))  # older logs have none


def _trial_to_json(trial: TrialRecord) -> Json:
    return {
        "stage": trial.stage,
        "number": trial.number,
        "label": trial.label,
        "arch": arch_to_json(trial.arch),
        "epochs": _epochs(trial.fidelity),
        "status": trial.status,
        "losses": list(trial.losses),
        "measurement": trial.measurement.to_dict(),
        "error": trial.error,
    }


def _trial_from_json(values: Json) -> TrialRecord:
    return TrialRecord(
        stage=values["stage"],
        number=values["number"],
        label=values["label"],
        arch=arch_from_json(values["arch"]),
        fidelity=_fidelity(values["epochs"]),
        status=values["status"],
        losses=tuple(values["losses"]),
        measurement=Measurement.from_dict(values["measurement"]),
        error=values["error"],
    )


def _epochs(fidelity: Fidelity | None) -> int | None:
    return None if fidelity is None else fidelity.epochs


def _fidelity(epochs: int | None) -> Fidelity | None:
    return None if epochs is None else Fidelity(epochs)
