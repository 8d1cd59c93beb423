"""What every choice module is.

It names decisions, holds candidates, and consumes gates that somebody else makes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.core.errors import NasturtiumError, UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import Conjunction, When
from nasturtium.space.decision import Decision, Option, Value, members


@dataclass(frozen=True)
class Gate:
    """Which options of a decision run (by position), and their weights (one per entry of `index`).

    `weight` None means that each runs with weight exactly one, so that a single path equals the derived
    network bit for bit. Options in `idle` have weight zero and run only for the sake of their weights'
    gradients: since no gradient comes back through them, nothing is kept for it.
    """

    index: tuple[int, ...]
    weight: Tensor | None = None
    idle: frozenset[int] = frozenset()

    def only(self, places: Sequence[int]) -> "Gate":
        """The entries at these places of `index` alone, their weights unchanged."""
        weight = None if self.weight is None else self.weight[list(places)]
        return Gate(tuple(self.index[place] for place in places), weight)


@dataclass(frozen=True)
class Building:
    """What constructors build: the candidates of one architecture (`arch`), or all of them (None).

    `affine` says whether the BatchNorms of candidate operations get a scale and a shift; in a mixture these
    would only rescale the architecture parameters. `part` says that operations of edges are built for one
    `part`-th of the channels. `outline` says that only the decisions will be looked at, so that candidates
    without decisions in them may be left out. Where `skip_dropout` is given, identities among the operations
    of an `Edge` can drop elements, drawing from it.
    """

    arch: Architecture | None = None
    affine: bool = True
    part: int = 1
    outline: bool = False
    skip_dropout: torch.Generator | None = None


_EVERYTHING = Building()
_building: ContextVar[Building] = ContextVar("building", default=_EVERYTHING)


@contextmanager
def building(what: Building) -> Iterator[None]:
    """Constructors called inside build `what`."""
    token = _building.set(what)
    try:
        yield
    finally:
        _building.reset(token)


def current() -> Building:
    """What is being built right now."""
    return _building.get()


def wanted(decision: Decision) -> tuple[Option, ...]:
    """The options whose candidates must be constructed now."""
    arch = current().arch
    return decision.options if arch is None else members(arch[decision.name])


class Undecided(NasturtiumError):
    """A network with open choices was run outside a supernet."""


class Choice(nn.Module, ABC):
    """A module with decisions in it. Subclasses say which, and what `forward` does with their gates."""

    null = False  # may a relaxation add a candidate that outputs zero?
    runs_mixtures = True  # can several options run in one pass?
    _board: dict[str, Gate] | None = None

    @abstractmethod
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions made here; the same name elsewhere is the same decision."""

    def branches(self) -> Iterable[tuple[When | Conjunction | None, nn.Module]]:
        """Children, each with the literal, or all the literals, under which it is used (None: always)."""
        return ()

    @abstractmethod
    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The plain module that `arch` makes of this one; `inner` derives a child."""

    def connect(self, board: dict[str, Gate]) -> None:
        """Take gates from `board` from now on; its owner refreshes them before each forward pass."""
        self._board = board

    def gate(self, name: str) -> Gate:
        """The gate of decision `name`; raises `Undecided` where nobody has made one."""
        if self._board is None or name not in self._board:
            raise Undecided(
                f"decision {name!r} of this {type(self).__name__} is undecided: put the"
                " network into a Supernet, or make a plain one with Blueprint.build(arch, seed) or"
                " derive(module, arch)"
            )
        return self._board[name]

    def value(self, decision: Decision) -> Value:
        """The value that a gate chooses, for a module that can't mix several; raises `UsageError` for a
        mixture.
        """
        index = self.gate(decision.name).index
        if len(index) != decision.k:
            wanted = "one option" if decision.k == 1 else f"{decision.k} options"
            raise UsageError(
                f"{type(self).__name__} needs {wanted} of {decision.name!r} but got a mixture of"
                f" {len(index)}; choose a method that runs one path at a time"
            )
        chosen = tuple(decision.options[i] for i in index)
        return chosen if decision.many else chosen[0]

    def values(self, decisions: Sequence[Decision]) -> dict[str, Value]:
        """The `value` of every one of these decisions that is active, by name; raises `Undecided` if none
        is.
        """
        board = self._board or {}
        found = {decision.name: self.value(decision) for decision in decisions if decision.name in board}
        return found or {decisions[0].name: self.value(decisions[0])}

    def __getstate__(self) -> dict[str, Any]:
        # gates hold tensors of the autograd graph, which can be neither copied nor pickled
        return {key: value for key, value in self.__dict__.items() if key != "_board"}


def key_of(decision: Decision, option: Option) -> str:
    """The name of an option's candidate in an `nn.ModuleDict`."""
    # a position in front, because options may be called as attributes of ModuleDict are
    return f"{decision.options.index(option)}_{option}".replace(".", "_")


def mix(gate: Gate, run: Callable[[int], Tensor]) -> Tensor:
    """The sum of what the gate's options give, weighted if the gate has weights.

    `run` takes an option's position. Raises `UsageError` for weighted options of different shapes.
    """
    if gate.weight is None:
        return add(run(i) for i in gate.index)
    outputs = (idling(run, i) if i in gate.idle else run(i) for i in gate.index)
    return add(output * gate.weight[at] for at, output in enumerate(_of_one_shape(outputs)))


def _of_one_shape(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same tensors. Some that differ PyTorch would stretch, of others it would not say whose they are."""
    shape = None
    for tensor in tensors:
        shape = tensor.shape if shape is None else shape
        if tensor.shape != shape:
            one, other = ("×".join(map(str, sizes)) for sizes in (shape, tensor.shape))
            raise UsageError(
                f"options that run together give one shape, but these give {one} and {other}: search this"
                " space with a method that runs one option at a time, such as black-box or spos"
            )
        yield tensor


def idling(run: Callable[..., Tensor], *of: Any) -> Tensor:
    """`run(*of)`, of which nothing is kept for a backward pass."""
    with torch.no_grad():
        return run(*of)


def add(tensors: Iterable[Tensor]) -> Tensor:
    """The sum of one or more tensors of one shape."""
    first, *rest = tensors
    for tensor in rest:
        first = first + tensor
    return first
