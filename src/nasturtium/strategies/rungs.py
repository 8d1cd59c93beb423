"""What strategies over several fidelities have in common: rungs, who leads on one, and rounds of successive
halving (Jamieson & Talwalkar 2016, https://arxiv.org/abs/1502.07943).

The fidelities of a problem are the rungs of a ladder. An architecture begins on one of them, and is promoted
to the next by a trial that continues the one before. With one fidelity only there is nothing to promote to.
"""

from collections.abc import Callable, Sequence

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture

ETA = 3  # of three architectures one is promoted


def geometric(epochs: int, eta: int = ETA) -> tuple[Fidelity, ...]:
    """Rungs that end at `epochs`: an `eta`-th of them and so on, rounded, as long as an epoch is left.

    >>> [rung.epochs for rung in geometric(200)]
    [1, 2, 7, 22, 67, 200]
    """
    found = {epochs}
    while (shorter := round(epochs / eta ** len(found))) >= 1:
        found.add(shorter)
    return tuple(map(Fidelity, sorted(found)))


def refuse_eta(eta: int) -> None:
    """Raise `UsageError` where not fewer go up than there are."""
    if eta < 2:
        raise UsageError(f"eta says of how many architectures one is promoted: 2 or more, not {eta}")


def rung_of(proposal: Proposal, problem: Problem) -> int:
    """The position of a proposal's fidelity among the problem's."""
    return problem.fidelities.index(proposal.fidelity or problem.fidelities[-1])


def standing(trial: Trial) -> tuple[bool, tuple[float, tuple[float, ...]], int]:
    """Smaller leads: what failed is last, limits come before losses, and of equals the first leads."""
    return trial.status == "failed", trial.rank, trial.id


def best(trials: Sequence[Trial], number: int) -> list[Trial]:
    """At most `number` trials that may be promoted, the leader first: all others than `ok` never are."""
    return sorted((trial for trial in trials if trial.status == "ok"), key=standing)[:number]


class Bracket:
    """A round of successive halving: `sizes[0]` architectures on the first of `rungs`, of which the best
    `sizes[1]` are promoted to the second once all are told, and so on.

    Fewer are where too few trials are `ok`, or where there are no more architectures.
    """

    def __init__(self, rungs: Sequence[Fidelity], sizes: Sequence[int]) -> None:
        self._rungs, self._sizes = tuple(rungs), tuple(sizes)
        self._at = 0  # the present rung
        self._missing = self._sizes[0]  # architectures that it still needs
        self._waiting: list[Trial] = []  # to be promoted to it, the leader first
        self._running = 0
        self._told: list[Trial] = []  # on it

    @property
    def over(self) -> bool:
        """Whether nothing is left to be asked for or told."""
        return self._at == len(self._rungs)

    def ask(self, new: Callable[[], Architecture | None]) -> Proposal | None:
        """The next trial; None while results of the present rung are missing, and when it is over.

        `new` gives an architecture, or None if there are no more.
        """
        if self._missing:
            arch = new()
            if arch is None:
                self._missing = 0
                self._climb()
                return self.ask(new)
            self._missing, self._running = self._missing - 1, self._running + 1
            return Proposal(arch, self._rungs[self._at])
        if not self._waiting:
            return None
        trial = self._waiting.pop(0)
        self._running += 1
        return Proposal(trial.proposal.arch, self._rungs[self._at], trial.id)

    def tell(self, trial: Trial) -> None:
        """A result of the present rung."""
        self._running -= 1
        self._told.append(trial)
        self._climb()

    def _climb(self) -> None:
        """Go to the next rung if this one is complete; past the last one if nobody is left."""
        if self._missing or self._waiting or self._running or self.over:
            return
        self._at += 1
        if not self.over:
            self._waiting, self._told = best(self._told, self._sizes[self._at]), []
        if not self._waiting:
            self._at = len(self._rungs)
