"""The state of a strategy as plain data, so that a long search need not be replayed."""

from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Strategy
from nasturtium.problem.records import Fidelity, Measurement, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.unseen import Unseen


class Snapshots(Strategy):
    """A strategy that is wholly in the fields that `changing` names, besides its problem and options.

    They hold generators, trials, architectures, `Unseen`, arrays, plain values, and lists, tuples, queues and
    dictionaries of these.
    """

    changing: ClassVar[tuple[str, ...]]

    def state_dict(self) -> dict[str, Any]:
        """The fields that change, as data for JSON."""
        return {name: packed(getattr(self, name)) for name in self.changing}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken, from a strategy with the same problem and options.

        Raises `UsageError` for the state of another kind of strategy.
        """
        if set(state) != set(self.changing):
            raise UsageError(
                f"this is no state of {type(self).__name__}: it has {', '.join(state) or 'nothing'}, expected"
                f" {', '.join(self.changing)}"
            )
        for name, value in state.items():
            setattr(self, name, restored(value, getattr(self, name)))


def packed(value: Any) -> Any:
    """A value as plain data: itself, or its kind and what it is made of."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    for kind, (made_of, _) in KINDS.items():
        if isinstance(value, kind):
            return [kind.__name__, made_of(value)]
    raise TypeError(f"a snapshot can't hold {type(value).__name__}")


def restored(data: Any, present: Any = None) -> Any:
    """The inverse of `packed`; what can't be made anew takes the place of what is `present`."""
    if not isinstance(data, list):
        return data
    name, parts = data
    return MAKE[name](parts, present)


def _each(values: Any) -> list[Any]:
    return [packed(value) for value in values]


def _all(parts: list[Any]) -> list[Any]:
    return [restored(part) for part in parts]


def _trial(trial: Trial) -> list[Any]:
    arch, fidelity = trial.proposal.arch, trial.proposal.fidelity
    return [
        trial.id,
        arch.to_json(),
        None if fidelity is None else fidelity.epochs,
        trial.status,
        list(trial.losses),
        trial.measurement.to_dict(),
        trial.error,
        trial.violation,
    ]


def _as_trial(parts: list[Any]) -> Trial:
    number, arch, epochs, status, losses, measurement, error, violation = parts
    proposal = Proposal(Architecture.from_json(arch), None if epochs is None else Fidelity(epochs))
    found = Measurement.from_dict(measurement)
    return Trial(number, proposal, status, tuple(losses), found, error, violation)


def _generator(state: dict[str, Any], present: np.random.Generator) -> np.random.Generator:
    present.bit_generator.state = state
    return present


def _unseen(taken: list[str], present: Unseen) -> Unseen:
    present.taken = set(taken)
    return present


KINDS: dict[type, tuple[Any, Any]] = {
    np.random.Generator: (lambda rng: rng.bit_generator.state, _generator),
    Unseen: (lambda unseen: sorted(unseen.taken), _unseen),
    Trial: (_trial, lambda parts, _: _as_trial(parts)),
    Architecture: (Architecture.to_json, lambda text, _: Architecture.from_json(text)),
    np.ndarray: (np.ndarray.tolist, lambda values, _: np.array(values)),
    list: (_each, lambda parts, _: _all(parts)),
    tuple: (_each, lambda parts, _: tuple(_all(parts))),
    deque: (_each, lambda parts, present: deque(_all(parts), present.maxlen)),
    dict: (lambda value: _each(value.items()), lambda parts, _: dict(_all(parts))),
}
"""What of each kind is kept, and how it is made of that."""

MAKE = {kind.__name__: make for kind, (_, make) in KINDS.items()}
