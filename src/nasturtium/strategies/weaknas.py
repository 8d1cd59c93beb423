"""WeakNAS: a sequence of weak predictors, each for a better region (Wu et al. 2021,
https://arxiv.org/abs/2102.10490).
"""

from collections.abc import Sequence

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.guided import Guided, first

MOST = 20_000  # architectures that are all predicted


@STRATEGIES.register(
    "weaknas",
    summary="sample where one weak predictor after the other sees the top of the space",
    paper="https://arxiv.org/abs/2102.10490",
)
class WeakNAS(Guided):
    """Each predictor learns from all results so far and says which `top` architectures are the best; `batch`
    of them, drawn evenly, are evaluated for the next predictor. So the region that is sampled shrinks to what
    is good, and predictors need to be right only there.

    Of spaces up to 20,000 every architecture is predicted, as in the paper. Larger ones are searched: of the
    last region, of `mutations` of one decision of each in it and of each of the best known, and of
    `strangers` random architectures, the new ones with the smallest predictions are the next region; this is
    done `rounds` times. How batches are asked for and told is as in `Guided`.

    The paper's predictor has four layers of 1,000 units; `predictor` may be any other, as there. Raises
    `UsageError` as `Guided` does, and for senseless numbers.
    """

    encodings = ("onehot",)

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 10,
        batch: int = 10,
        top: int = 100,
        strangers: int = 100,
        mutations: int = 2,
        rounds: int = 3,
        predictor: str = "mlp",
        encoding: str | None = None,
    ) -> None:
        super().__init__(
            problem, seed=seed, initial=initial, batch=batch, predictor=predictor, encoding=encoding
        )
        if top < batch or min(strangers, mutations, rounds) < 1:
            raise UsageError(
                f"weaknas has a top of batch ({batch}) or more and 1 or more strangers, mutations and rounds,"
                f" not {top}, {strangers}, {mutations}, {rounds}"
            )
        self._top, self._strangers, self._mutations, self._rounds = top, strangers, mutations, rounds
        self._region: list[Architecture] = []
        self._all = list(problem.space.enumerate()) if problem.space.has_at_most(MOST) else []

    def choose(self) -> Sequence[Architecture]:
        """An even draw from what is predicted to be the top."""
        if self._all:
            self._region = self._top_of(self._all)
        else:
            for _ in range(self._rounds):
                self._region = self._top_of(self._candidates())
        drawn = self._rng.permutation(len(self._region))[: self._batch]
        return [self._region[i] for i in drawn.tolist()]

    def _top_of(self, archs: Sequence[Architecture]) -> list[Architecture]:
        """The new ones that are predicted to be the best."""
        new = self.fresh(archs)
        return first(new, self.predict(new)[0], self._top)

    def _candidates(self) -> list[Architecture]:
        """The region, mutations of it and of the best known, and random ones."""
        parents = [*self.best(self._batch), *self._region]
        strangers = [self.problem.space.sample(self._rng) for _ in range(self._strangers)]
        return [*self._region, *self.mutations(parents, self._mutations), *strangers]
