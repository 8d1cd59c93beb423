"""A space with a known loss, and predictors that know it."""

from collections.abc import Sequence

import numpy as np

from nasturtium.predictors.base import Predictor
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.guided import Guided

SPACE = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(5)])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))
VALUES = np.random.default_rng(7).normal(size=(5, 4))  # so no two architectures have the same loss


def loss(arch: Architecture) -> float:
    """A sum of a value per decision."""
    return float(sum(VALUES[i]["abcd".index(arch[f"d{i}"])] for i in range(5)))


class Oracle(Predictor):
    """Knows the loss from one-hot vectors, to `spread`; counts how often it learned."""

    fits = 0
    spread = 0.0

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Oracle":
        type(self).fits += 1
        return self

    def predict(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return x @ VALUES.ravel(), np.full(len(x), self.spread)


def with_oracle(strategy: Guided, spread: float = 0.0) -> type[Oracle]:
    """Let `strategy` ask one of its own."""
    oracle = type("Own", (Oracle,), {"fits": 0, "spread": spread})
    strategy._model = oracle
    return oracle


def tell(strategy: Guided, proposals: Sequence[Proposal], number: int = 0) -> None:
    strategy.tell([Trial(number + i, p, "ok", (loss(p.arch),)) for i, p in enumerate(proposals)])


def started(strategy: Guided, initial: int) -> list[Architecture]:
    """Its random architectures, the best first; it has been told of them."""
    proposals = strategy.ask(initial)
    tell(strategy, proposals)
    return sorted((p.arch for p in proposals), key=loss)


def changes(one: Architecture, other: Architecture) -> int:
    return sum(one[name] != other[name] for name in SPACE.decisions)
