"""DEHB: differential evolution on the rungs of Hyperband (Awad et al. 2021,
https://arxiv.org/abs/2105.09821).
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.cube import Cube
from nasturtium.strategies.hyperband import Hyperband
from nasturtium.strategies.rungs import ETA, rung_of, standing
from nasturtium.strategies.unseen import TRIES

ALONE = 20  # members of the only population, where there is one fidelity


@dataclass(frozen=True, eq=False)
class Member:
    """A point of the unit cube and what its architecture was worth."""

    point: np.ndarray
    trial: Trial

    @property
    def worth(self) -> tuple[bool, tuple[float, tuple[float, ...]]]:
        """Smaller is better."""
        failed, rank, _ = standing(self.trial)
        return failed, rank


@STRATEGIES.register(
    "dehb",
    summary="differential evolution of a population on each rung, with parents from the rung below",
    paper="https://arxiv.org/abs/2105.09821",
    abilities=["fidelities"],
)
class DEHB(Hyperband):
    """Architectures are points of the unit cube (see `Cube`), and each rung has a population of as many as
    the bracket of Hyperband that begins there has architectures.

    Hyperband's brackets come first, once each, with promotions; of their results a rung keeps the best. From
    then on the rungs of these brackets say where children are made and how many, n, without waiting: on the
    first rung of a bracket of three random members of its population, on others of three of the `n` best of
    the rung below, which others from anywhere join if these are fewer than three. A child of x₁, x₂, x₃ takes
    each coordinate, with a chance of `crossing` and one in any case, from x₁ + `scale`·(x₂ − x₃), else from
    its target, the next member of the rung in turn, whose place it takes if it is not worse. Coordinates that
    leave the cube are drawn anew.

    A child whose architecture has a result on that rung is worth that, and is not trained again; one that was
    trained for a shorter time is continued, which the paper leaves open. When 100 children in turn are known,
    the search ends. With one fidelity this is differential evolution of 20 architectures. Raises `UsageError`
    for senseless numbers, and for a space without a list of decisions.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        eta: int = ETA,
        scale: float = 0.5,
        crossing: float = 0.5,
    ) -> None:
        super().__init__(problem, seed=seed, eta=eta)
        if not 0 < scale <= 2:
            raise UsageError(f"scale stretches the difference of two points, by 0 to 2, not by {scale}")
        if not 0 <= crossing <= 1:
            raise UsageError(f"crossing is a chance from 0 to 1, not {crossing}")
        self._scale, self._crossing = scale, crossing
        self._cube = Cube(problem.space)
        self._rng = np.random.default_rng(seed)
        self._members: list[list[Member]] = [[] for _ in problem.fidelities]
        self._turns = [0] * len(problem.fidelities)  # targets so far, by rung
        # rungs, and how many of the one below are parents
        self._plan: deque[tuple[int, int | None]] = deque()
        self._planned = 0  # brackets
        self._points: dict[int, np.ndarray] = {}  # by trial, as are
        self._targets: dict[int, int] = {}  # the places that children compete for
        self._known: dict[tuple[int, str], Trial | None] = {}  # by rung and architecture; None while it runs

    def sizes(self, number: int) -> Sequence[int]:
        """Hyperband's brackets, once each."""
        return self._round(number) if number < len(self.problem.fidelities) else []

    def _round(self, number: int) -> Sequence[int]:
        return [ALONE] if len(self.problem.fidelities) == 1 else super().sizes(number)

    def next(self) -> Proposal | None:
        """Of Hyperband's brackets, then of a child."""
        proposal = super().next()
        if proposal is None:
            proposal = self._child()
        else:
            fresh = self._rng.random(self._cube.dimensions)
            near = fresh if proposal.parent is None else self._points[proposal.parent]
            self._points[self._count] = self._cube.point(proposal.arch, near, self._rng)
        if proposal is not None:
            self._known[rung_of(proposal, self.problem), proposal.arch.digest] = None
        return proposal

    def _child(self) -> Proposal | None:
        """The next child without a result, if one of 100 has none; the others compete at once."""
        for _ in range(TRIES):
            if not self._plan:
                self._plan_bracket()
            rung, parents = self._plan[0]
            members = self._members[rung]
            at = self._turns[rung] % max(len(members), 1)
            pool = self._pool(rung, parents, members[at]) if members else []
            if len(pool) < 3:
                return None
            self._plan.popleft()
            self._turns[rung] += 1
            x1, x2, x3 = (pool[i].point for i in self._rng.choice(len(pool), 3, replace=False))
            mutated = mutant(x1, x2, x3, self._scale, self._rng)
            point = crossed(members[at].point, mutated, self._crossing, self._rng)
            arch = self._cube.architecture(point, self._rng)
            point = self._cube.point(arch, point, self._rng)
            if (rung, arch.digest) not in self._known:
                self._points[self._count], self._targets[self._count] = point, at
                return Proposal(arch, self.problem.fidelities[rung], self._shorter(rung, arch))
            if (known := self._known[rung, arch.digest]) is not None:
                self._compete(rung, at, Member(point, known))
        return None

    def _plan_bracket(self) -> None:
        first = self._planned % len(self.problem.fidelities)
        for above, number in enumerate(self._round(first)):
            self._plan.extend([(first + above, number if above else None)] * number)
        self._planned += 1

    def _pool(self, rung: int, parents: int | None, target: Member) -> list[Member]:
        """What three parents are drawn from: never the target itself."""
        if parents is None:
            pool = [member for member in self._members[rung] if member is not target]
        else:
            pool = sorted(self._members[rung - 1], key=lambda member: member.worth)[:parents]
        others = [m for members in self._members for m in members if m not in (*pool, target)]
        missing = min(max(3 - len(pool), 0), len(others))
        if missing:
            pool += [others[i] for i in self._rng.choice(len(others), missing, replace=False)]
        return pool

    def _shorter(self, rung: int, arch: Architecture) -> int | None:
        """The longest training of `arch` that can be continued to `rung`."""
        found = (self._known.get((below, arch.digest)) for below in reversed(range(rung)))
        return next((trial.id for trial in found if trial is not None and trial.status == "ok"), None)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join the population of their rung or compete for a place in it, in any order."""
        super().tell(trials)
        for trial in trials:
            rung = rung_of(trial.proposal, self.problem)
            self._known[rung, trial.proposal.arch.digest] = trial
            member, target = Member(self._points[trial.id], trial), self._targets.pop(trial.id, None)
            if target is not None:
                self._compete(rung, target, member)
            elif len(self._members[rung]) < self._round(rung)[0]:
                self._members[rung].append(member)
            else:
                members = self._members[rung]
                self._compete(rung, max(range(len(members)), key=lambda i: members[i].worth), member)

    def _compete(self, rung: int, at: int, member: Member) -> None:
        if member.worth <= self._members[rung][at].worth:
            self._members[rung][at] = member


def mutant(
    x1: np.ndarray, x2: np.ndarray, x3: np.ndarray, scale: float, rng: np.random.Generator
) -> np.ndarray:
    """x₁ + `scale`·(x₂ − x₃), with random coordinates in place of those outside the unit cube."""
    point = x1 + scale * (x2 - x3)
    return np.where((point < 0) | (point > 1), rng.random(len(point)), point)


def crossed(target: np.ndarray, mutated: np.ndarray, crossing: float, rng: np.random.Generator) -> np.ndarray:
    """Each coordinate of `mutated` with a chance of `crossing`, and one in any case; else of `target`."""
    taken = rng.random(len(target)) < crossing
    taken[rng.integers(len(target))] = True
    return np.where(taken, mutated, target)
