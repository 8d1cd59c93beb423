"""What the architecture parameters point to: skip connections, free operations, and how surely."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from torch import nn

from nasturtium.modules.choice import Choice
from nasturtium.modules.edge import SkipDropout
from nasturtium.modules.walk import both
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Option
from nasturtium.space.discretize import discretize

UNDECIDED = 0.99  # entropy from which on a search has decided next to nothing


@dataclass(frozen=True)
class Kinds:
    """Of one decision: its `options`, those that pass their input on unchanged (`skips`), and those that hold
    no parameters (`free`, skips among them).
    """

    options: tuple[Option, ...]
    skips: frozenset[Option]
    free: frozenset[Option]


class OperationKinds:
    """The kinds of the operations of a supernet, as its modules tell them.

    Holds the decisions whose options all have a module of their own, some with parameters and some without.
    An option is a skip, or free, if it is so at every site of its decision: one that is the identity but
    reduces the image by a convolution elsewhere is neither.
    """

    def __init__(self, supernet: Supernet) -> None:
        self._space = supernet.space
        self._compete = supernet.relaxation is None or supernet.relaxation.compete
        modules: dict[str, dict[Option, list[nn.Module]]] = {}
        for name, option, module in _alternatives(supernet.net):
            modules.setdefault(name, {}).setdefault(option, []).append(module)
        self.decisions = {
            name: kinds
            for name, decision in supernet.space.decisions.items()
            if (kinds := _kinds(decision.options, modules.get(name, {}))) is not None
        }

    def describe(self, epoch: SearchEpoch) -> SearchEpoch:
        """The same record with what its probabilities say: `entropy`, `skips`, `free_share`."""
        # without such decisions there is nothing to count, and finding an architecture may take long
        arch = discretize(self._space, epoch.probabilities) if self.decisions else Architecture({})
        return replace(
            epoch,
            entropy=entropy(epoch.probabilities, compete=self._compete),
            skips=self.skips(arch),
            free_share=self.free_share(arch),
        )

    def skipping(self, arch: Architecture) -> dict[str, bool]:
        """Whether each active decision that offers a skip takes one; all of them could do otherwise."""
        return {
            name: arch[name] in kinds.skips
            for name, kinds in self.decisions.items()
            if kinds.skips and name in arch
        }

    def skips(self, arch: Architecture) -> int | None:
        """How many skip connections the architecture has chosen; None if none are offered."""
        skipping = self.skipping(arch)
        return sum(skipping.values()) if skipping else None

    def free_share(self, arch: Architecture) -> float | None:
        """The share (0–1) of operations without parameters; None if there are none."""
        free = [arch[name] in kinds.free for name, kinds in self.decisions.items() if name in arch]
        return sum(free) / len(free) if free else None


def _alternatives(net: nn.Module) -> Iterator[tuple[str, Option, nn.Module]]:
    """(decision, option, module) of every module that runs under one option."""
    for choice in net.modules():
        if not isinstance(choice, Choice):
            continue
        for under, module in choice.branches():
            for literal in both(frozenset(), under):
                if len(literal.options) == 1:
                    (option,) = literal.options
                    yield literal.decision, option, module


def _kinds(options: tuple[Option, ...], modules: Mapping[Option, Sequence[nn.Module]]) -> Kinds | None:
    if not all(option in modules for option in options):
        return None
    free = frozenset(o for o in options if all(next(m.parameters(), None) is None for m in modules[o]))
    skips = frozenset(o for o in options if all(map(_passes_on, modules[o])))
    return Kinds(options, skips, free) if 0 < len(free) < len(options) else None


def _passes_on(module: nn.Module) -> bool:
    """Whether the module is the identity, by its type."""
    if type(module) is nn.Sequential:
        return all(map(_passes_on, module))
    return type(module) in (nn.Identity, SkipDropout)


def entropy(probabilities: Mapping[str, Sequence[float]], *, compete: bool = True) -> float | None:
    """The mean over decisions of the entropy of their options, as a share of the highest possible one; None
    if there is nothing to decide.

    What a row lacks to one counts as an option more. Options that don't `compete` count as decisions of their
    own, each taken with its probability or not.
    """
    if compete:
        rows = [row for row in probabilities.values() if len(row) > 1]
    else:
        rows = [[p] for row in probabilities.values() for p in row]
    return fmean(map(_entropy, rows)) if rows else None


def undecided(epoch: SearchEpoch) -> str | None:
    """A sentence if the probabilities of an epoch favour next to nothing, else None."""
    if epoch.entropy is None or epoch.entropy < UNDECIDED:
        return None
    return (
        "The architecture is little more than a guess: its probabilities are still"
        f" {100 * epoch.entropy:.1f} % as even as they can be. Search for more epochs or"
        " with a larger alpha_learning_rate."
    )


def _entropy(row: Sequence[float]) -> float:
    rest = 1 - sum(row)
    shares = [*row, rest] if rest > 1e-6 or len(row) == 1 else row
    return -sum(p * math.log(p) for p in shares if p > 0) / math.log(len(shares))
