"""Strategies that run one round of successive halving after the other."""

from abc import abstractmethod
from collections.abc import Sequence

from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.random import RandomSearch
from nasturtium.strategies.rungs import Bracket, refuse_eta


class Brackets(Strategy):
    """Brackets, each of which ends at the full fidelity.

    A rung has to be told completely before its best are promoted. Workers that are free meanwhile begin the
    next bracket, and go back as soon as an earlier one needs them; with one worker there is one at a time.
    """

    def __init__(self, problem: Problem, *, seed: int, eta: int) -> None:
        super().__init__(problem, seed=seed)
        refuse_eta(eta)
        self._eta = eta
        self._random = RandomSearch(problem, seed=seed)
        self._open: list[Bracket] = []
        self._begun = 0
        self._of: dict[int, Bracket] = {}  # by trial, until it is told
        self._count = 0  # of trials

    @abstractmethod
    def sizes(self, number: int) -> Sequence[int]:
        """How many architectures bracket `number`, from 0, has on each of its rungs, the last of which is the
        full fidelity; nothing if there is no such bracket.
        """

    def new(self) -> Architecture | None:
        """An architecture to begin with, by default a random one that is new; None if there is none."""
        return next((proposal.arch for proposal in self._random.ask(1)), None)

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` of the earliest brackets; fewer at the end of the space."""
        proposals: list[Proposal] = []
        while len(proposals) < n and (proposal := self.next()) is not None:
            proposals.append(proposal)
            self._count += 1
        return proposals

    def next(self) -> Proposal | None:
        """The proposal of trial number `_count`."""
        for bracket in self._open:
            if (proposal := bracket.ask(self.new)) is not None:
                self._of[self._count] = bracket
                return proposal
        sizes = self.sizes(self._begun)
        if not sizes:
            return None
        bracket = Bracket(self.problem.fidelities[-len(sizes) :], sizes)
        proposal = bracket.ask(self.new)
        if proposal is not None:
            self._begun += 1
            self._open.append(bracket)
            self._of[self._count] = bracket
        return proposal

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results, in any order."""
        for trial in trials:
            if (bracket := self._of.pop(trial.id, None)) is not None:
                bracket.tell(trial)
        self._open = [bracket for bracket in self._open if not bracket.over]
