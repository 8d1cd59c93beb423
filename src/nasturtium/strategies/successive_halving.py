"""Successive halving (Jamieson & Talwalkar 2016, https://arxiv.org/abs/1502.07943)."""

from collections.abc import Sequence

from nasturtium.problem.protocols import Problem
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.brackets import Brackets
from nasturtium.strategies.rungs import ETA


@STRATEGIES.register(
    "successive-halving",
    summary="train many briefly, continue the best third, again and again",
    paper="https://arxiv.org/abs/1502.07943",
    abilities=["fidelities"],
)
class SuccessiveHalving(Brackets):
    """Random architectures begin at the lowest fidelity, and the best of every `eta` go on to the next, until
    one is left at the full one; then others begin.

    On k rungs that takes `eta`**(k−1) architectures at first. The paper halves (`eta` = 2) a number that is
    given and computes its rungs from a budget; here the rungs are the problem's fidelities. With one fidelity
    it is random search. How workers share the work is as in `Brackets`. Raises `UsageError` for `eta` < 2.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, eta: int = ETA) -> None:
        super().__init__(problem, seed=seed, eta=eta)

    def sizes(self, number: int) -> Sequence[int]:
        """All brackets are alike."""
        return [self._eta**above for above in reversed(range(len(self.problem.fidelities)))]
