"""ASHA, asynchronous successive halving (Li et al. 2020, https://arxiv.org/abs/1810.05934)."""

from bisect import insort
from collections.abc import Sequence

from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal, Trial
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.random import RandomSearch
from nasturtium.strategies.rungs import ETA, refuse_eta, rung_of, standing


@STRATEGIES.register(
    "asha",
    summary="promote whoever is among the best third of a rung now; never wait for the rest",
    paper="https://arxiv.org/abs/1810.05934",
    abilities=["fidelities"],
)
class ASHA(Strategy):
    """From the highest rung down, the best that is among the first 1/`eta` of its rung's results and was not
    promoted yet is promoted; if there is none, a random architecture begins at the lowest rung.

    Trials that failed or are over a limit count as results, and are never promoted. It never waits, and ends
    when the space is exhausted. With one fidelity it is random search. Raises `UsageError` for `eta` < 2.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, eta: int = ETA) -> None:
        super().__init__(problem, seed=seed)
        refuse_eta(eta)
        self._eta = eta
        self._random = RandomSearch(problem, seed=seed)
        self._rungs: list[list[Trial]] = [[] for _ in problem.fidelities]  # results, the leader first
        self._promoted: set[int] = set()
        self._top = len(problem.fidelities) - 1  # the highest rung that is used

    def ask(self, n: int) -> list[Proposal]:
        """`n` promotions or random architectures; fewer at the end of the space."""
        proposals = []
        for _ in range(n):
            proposal = self._promotion() or self._beginning()
            if proposal is None:
                break
            proposals.append(proposal)
        return proposals

    def _promotion(self) -> Proposal | None:
        for at in reversed(range(self._top)):
            rung = self._rungs[at]
            for trial in rung[: len(rung) // self._eta]:
                if trial.status == "ok" and trial.id not in self._promoted:
                    self._promoted.add(trial.id)
                    return Proposal(trial.proposal.arch, self.problem.fidelities[at + 1], trial.id)
        return None

    def _beginning(self) -> Proposal | None:
        lowest = self.problem.fidelities[0]
        return next((Proposal(new.arch, lowest) for new in self._random.ask(1)), None)

    def tell(self, trials: Sequence[Trial]) -> None:
        """Results join their rungs, in any order."""
        for trial in trials:
            insort(self._rungs[rung_of(trial.proposal, self.problem)], trial, key=standing)
