"""Every architecture, one after the other."""

from itertools import islice

from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal
from nasturtium.strategies.base import STRATEGIES


@STRATEGIES.register("grid", summary="every architecture once, in the order of the options")
class Grid(Strategy):
    """All architectures once, for spaces that are small enough; they are listed as they are asked for.

    The last decisions change fastest, so that a search which ends early has seen one corner of the space.
    The seed changes nothing.
    """

    def __init__(self, problem: Problem, *, seed: int = 0) -> None:
        super().__init__(problem, seed=seed)
        self._rest = problem.space.enumerate()

    def ask(self, n: int) -> list[Proposal]:
        """The next `n`; fewer only at the end of the space."""
        return [Proposal(arch) for arch in islice(self._rest, n)]
