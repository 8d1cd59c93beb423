"""NPENAS: evolution guided by a neural predictor (Wei et al. 2020, https://arxiv.org/abs/2003.12857)."""

from collections.abc import Sequence
from typing import Literal, get_args

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Problem
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.acquisition import thompson
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.guided import Guided, first

Variant = Literal["np", "bo"]


@STRATEGIES.register(
    "npenas",
    summary="each parent has many children; a neural predictor says which are worth evaluating",
    paper="https://arxiv.org/abs/2003.12857",
)
class NPENAS(Guided):
    """The `parents` best architectures so far have `children` mutations of one decision each, of which the
    `batch` best are evaluated and join the population.

    By `variant` "np" the best are those with the smallest predicted loss, by "bo" those with the smallest one
    drawn from the distribution that the predictor gives. The paper's predictors are graph networks; ours is
    the ensemble of `predictors.mlp` on features of the cells' graphs, where there are cells. How batches are
    asked for and told is as in `Guided`.

    Raises `UsageError` as `Guided` does, for an unknown variant, and for no parents or children.
    """

    encodings = ("graph-features", "continuous")

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int = 0,
        initial: int = 10,
        batch: int = 10,
        parents: int = 10,
        children: int = 10,
        variant: Variant = "np",
        predictor: str = "mlp",
        encoding: str | None = None,
    ) -> None:
        super().__init__(
            problem, seed=seed, initial=initial, batch=batch, predictor=predictor, encoding=encoding
        )
        if parents < 1 or children < 1:
            raise UsageError(f"npenas has 1 or more parents and children, not {parents} and {children}")
        if variant not in get_args(Variant):
            raise UsageError(f"variant is {' or '.join(get_args(Variant))}, not {variant!r}")
        self._parents, self._children, self._variant = parents, children, variant

    def choose(self) -> Sequence[Architecture]:
        """The children that the predictor keeps."""
        children = self.mutations(self.best(self._parents), self._children)
        mean, std = self.predict(children)
        return first(children, mean if self._variant == "np" else thompson(mean, std, self._rng), self._batch)
