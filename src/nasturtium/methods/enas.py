"""ENAS: a controller draws the paths that are trained, and learns which are good (Pham et al. 2018,
https://arxiv.org/abs/1802.03268).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from nasturtium.core.seeds import seed_for
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.limits import final_sizes
from nasturtium.methods.path_search import PathSearch, searched
from nasturtium.methods.supernet_training import PathSearchSettings, SupernetTraining
from nasturtium.oneshot.paths import PathSampler, Scorer
from nasturtium.problem.objectives import violation
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.learned.controller import Controller
from nasturtium.study.run import Run
from nasturtium.training.checkpoint import Checkpoints

LEARNING_RATE, ENTROPY = 0.0035, 1e-4  # the authors', for cells
DECAY = 0.95  # of the baseline; theirs is 0.99, for some thirty times as many steps
TOGETHER = 5  # paths of a step of the controller
TRIES = 100  # draws that are known already, before the controller has no more to say
CONTROLLER = "controller"


class ControllerSettings(PathSearchSettings):
    """The trained controller itself proposes the paths."""

    strategy: str = Field(
        CONTROLLER,
        description="what proposes the paths that are scored: controller, or as for spos evolution, nsga2, …",
    )

    @field_validator("strategy")
    @classmethod
    def _known(cls, strategy: str) -> str:
        return strategy if strategy == CONTROLLER else super()._known(strategy)


SETTINGS = ControllerSettings()


class ControllerPaths(PathSampler):
    """One path at a time, drawn from a controller.

    After each epoch the controller learns from as many paths as were trained in it, by their accuracies on
    search-valid batches; the reward of a path over the limits is minus its violation, which `over` tells.
    """

    def __init__(self, space: SearchSpace, over: Callable[[Architecture], float], *, seed: int) -> None:
        self.controller = Controller(
            space, seed=seed, learning_rate=LEARNING_RATE, entropy=ENTROPY, decay=DECAY
        )
        self._over = over
        self._trained = 0  # paths of this epoch

    def paths(self, rng: np.random.Generator, progress: float) -> list[Architecture]:
        """One path."""
        self._trained += 1
        return [self.controller.sample(rng).arch]

    def learn(self, score: Scorer, rng: np.random.Generator, progress: float) -> None:
        """Steps of the controller, each on a few paths and one batch."""
        while self._trained > 0:
            drawn = [self.controller.sample(rng) for _ in range(min(TOGETHER, self._trained))]
            self._trained -= len(drawn)
            self.controller.learn(drawn, self._rewards([trajectory.arch for trajectory in drawn], score))

    def _rewards(self, paths: list[Architecture], score: Scorer) -> list[float]:
        over = [self._over(path) for path in paths]
        within = [path for path, excess in zip(paths, over, strict=True) if excess == 0]
        found = iter(score(within) if within else [])
        return [-excess if excess > 0 else next(found).accuracy for excess in over]

    def state(self) -> dict[str, Any]:
        """What the controller has learned."""
        return self.controller.state()

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self.controller.load_state(state)


class Drawn(Strategy):
    """Different architectures drawn from a controller that learns no more; it ends when 100 draws in a row
    are known already.
    """

    def __init__(self, problem: Problem, controller: Controller, *, seed: int = 0) -> None:
        super().__init__(problem, seed=seed)
        self._controller = controller
        self._rng = np.random.default_rng(seed)
        self._seen: set[Architecture] = set()

    def ask(self, n: int) -> list[Proposal]:
        """The next `n` architectures; fewer only at the end."""
        new = (self._new() for _ in range(n))
        return [Proposal(arch) for arch in new if arch is not None]

    def _new(self) -> Architecture | None:
        for _ in range(TRIES):
            arch = self._controller.sample(self._rng).arch
            if arch not in self._seen:
                self._seen.add(arch)
                return arch
        return None


class ControllerSearch(PathSearch):
    """Scores paths drawn from the controller as the training left it."""

    def strategy(self, run: Run, problem: Problem) -> Strategy:
        """The controller of the last checkpoint."""
        seed = seed_for(self._task.seed, "strategy")
        sampler = _sampler(self._task, problem.space)
        found = Checkpoints(run.path("checkpoints"), SupernetTraining.name).latest()
        if found is not None:
            sampler.load_state(found[1]["sampler"])
        return Drawn(problem, sampler.controller, seed=seed)


@METHODS.register(
    "enas",
    summary="an LSTM draws the paths that are trained and learns from their accuracy",
    paper="https://arxiv.org/abs/1802.03268",
    abilities=["path", "limits"],
    settings=SETTINGS,
)
def enas(task: Task) -> list[Stage]:
    """Shared weights and the controller take turns; then the best of the paths that the controller draws.

    The setting `strategy` may name a strategy that searches the trained supernet instead. Unlike the authors'
    this controller takes its turn after as many steps as an epoch has, on as many paths, and the final paths
    are scored on all validation images.
    """
    training = SupernetTraining(task, lambda _, space: _sampler(task, space), settings=SETTINGS)
    _sampler(task, training.fresh()[1])  # refused before anything is spent
    search = ControllerSearch if training.settings.strategy == CONTROLLER else PathSearch
    return searched(task, training, search)


def _sampler(task: Task, space: SearchSpace) -> ControllerPaths:
    sizes = final_sizes(task)

    def over(arch: Architecture) -> float:
        return violation(task.limits, sizes(arch)) if task.limits else 0.0

    return ControllerPaths(space, over, seed=seed_for(task.seed, "controller"))
