"""A space of numbered architectures, and strategies that are told what each is worth on each rung."""

from collections.abc import Callable, Iterable

from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


def problem(*epochs: int, size: int = 1000) -> Problem:
    """`size` architectures, and these fidelities."""
    space = SearchSpace([Decision("number", tuple(range(size)))])
    return Problem(space, (Objective("loss", "min"),), tuple(map(Fidelity, epochs)))


class Player:
    """Asks and tells by hand; `loss` gives that of trial number i at so many epochs, None if it failed."""

    def __init__(self, strategy: Strategy, loss: Callable[[int, int], float | None]) -> None:
        self.strategy, self.loss = strategy, loss
        self.asked: list[Proposal] = []

    def ask(self, n: int = 1) -> list[tuple[int, int | None]]:
        """What is proposed, as epochs and parent."""
        proposals = self.strategy.ask(n)
        self.asked += proposals
        return [(self.epochs(p), p.parent) for p in proposals]

    def epochs(self, proposal: Proposal) -> int:
        """Of a proposal's fidelity, by default the full one."""
        return (proposal.fidelity or self.strategy.problem.fidelities[-1]).epochs

    def tell(self, numbers: Iterable[int]) -> None:
        """The results of trials, one after the other."""
        for number in numbers:
            proposal = self.asked[number]
            loss = self.loss(number, self.epochs(proposal))
            status, losses = ("failed", ()) if loss is None else ("ok", (loss,))
            self.strategy.tell([Trial(number, proposal, status, losses)])

    def step(self, n: int = 1) -> list[tuple[int, int | None]]:
        """`n` trials, each told at once."""
        found = []
        for _ in range(n):
            found += self.ask()
            self.tell([len(self.asked) - 1])
        return found
