"""Hyperband (Li et al. 2018, https://arxiv.org/abs/1603.06560)."""

from collections.abc import Sequence

from nasturtium.problem.protocols import Problem
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.brackets import Brackets
from nasturtium.strategies.rungs import ETA


@STRATEGIES.register(
    "hyperband",
    summary="successive halving that begins with many trained briefly, then with fewer trained for longer",
    paper="https://arxiv.org/abs/1603.06560",
    abilities=["fidelities"],
)
class Hyperband(Brackets):
    """Brackets of successive halving that begin at the lowest fidelity, at the second lowest and so on, the
    last one at the full one; then again. Each costs about the same.

    On S + 1 rungs, the bracket with s promotions begins with ⌈(S + 1)/(s + 1) · `eta`^s⌉ random
    architectures, n of them, of which ⌊n/`eta`^i⌋ are left after i promotions (algorithm 1 of the paper,
    where the fidelities are R·`eta`^−s). With one fidelity it is random search. How workers share the work is
    as in `Brackets`. Raises `UsageError` for `eta` < 2.
    """

    def __init__(self, problem: Problem, *, seed: int = 0, eta: int = ETA) -> None:
        super().__init__(problem, seed=seed, eta=eta)

    def sizes(self, number: int) -> Sequence[int]:
        """The bracket with the most promotions is the first."""
        rungs = len(self.problem.fidelities)
        promotions = rungs - 1 - number % rungs
        first = -(-rungs * self._eta**promotions // (promotions + 1))
        return [first // self._eta**i for i in range(promotions + 1)]
