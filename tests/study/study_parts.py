"""A small problem, a strategy and an estimator for it, and studies that are killed."""

import numpy as np
import pytest

from nasturtium.core.errors import Diverged
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Estimator, Problem, Strategy
from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.study.budget import Budget
from nasturtium.study.run import Run
from nasturtium.study.store import Store
from nasturtium.study.study import Study

SPACE = SearchSpace([Decision(name, (0, 1, 2, 3)) for name in "abc"])
PROBLEM = Problem(SPACE, (Objective("score", "max"),), (Fidelity(1), Fidelity(2)))


class Climber(Strategy):
    """Mutates the best so far; after every fourth proposal it waits until nothing is out."""

    def __init__(self, problem, *, seed=0):
        super().__init__(problem, seed=seed)
        self.rng = np.random.default_rng(seed)
        self.best = None
        self.asked = self.told = 0

    def ask(self, n):
        proposals = []
        while len(proposals) < n and (self.asked % 4 or self.told == self.asked):
            arch = self.best.proposal.arch if self.best else None
            new = SPACE.mutate(arch, self.rng) if arch else SPACE.sample(self.rng)
            proposals.append(Proposal(new, PROBLEM.fidelities[self.asked % 2]))
            self.asked += 1
        return proposals

    def tell(self, trials):
        for trial in trials:
            self.told += 1
            if trial.status == "ok" and (self.best is None or trial.losses < self.best.losses):
                self.best = trial


class Score(Estimator):
    """A noisy sum; the noise comes from the job's seed. Architectures with a = 3 fail."""

    metrics = ("score",)

    def __init__(self):
        self.jobs = []

    def evaluate(self, job, report):
        self.jobs.append(job)
        if job.arch["a"] == 3:
            raise Diverged("the loss is infinite")
        noise = np.random.default_rng(job.seed).normal()
        epochs = float(job.fidelity.epochs)
        return Measurement(
            {"score": np.float32(sum(job.arch.values()) + 0.1 * noise)}, Cost(1.0, epochs=epochs)
        )


def study(run, *, strategy=None, estimator=None, budget="12 trials", stage="search", **options):
    strategy = strategy or Climber(PROBLEM, seed=5)
    estimator, budget = estimator or Score(), Budget.parse(budget)
    return Study(
        strategy.problem, strategy, estimator, run=run, stage=stage, budget=budget, seed=7, **options
    )


def opened(root, name="r"):
    return Run.open(root, name, config={}, space=SPACE.to_dict(), seed=0, command="")


def timeless(value):
    if isinstance(value, dict):
        return {key: timeless(v) for key, v in value.items() if key != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def log(root, name="r"):
    """The log without the measured times."""
    store = Store(root / "nasturtium.db")
    events = store.events(store.open_run(name).id)
    return [(event.seq, event.kind, timeless(event.payload)) for event in events]


class Killed(BaseException):
    """Not an error that anything may handle."""


def search(root, name="r", **options):
    """One process that begins or resumes the run `name`."""
    with opened(root, name) as run:
        return study(run, **options).run()


def search_until_killed(root, name, event, **options):
    """One process that ends right after event number `event` is on disk."""
    die_after(event, lambda: search(root, name, **options))


def die_after(event, work):
    """`work`, killed right after event number `event` is on disk."""
    append = Store.append

    def append_and_die(self, *args, **kwargs):
        seq = append(self, *args, **kwargs)
        if seq == event:
            raise Killed
        return seq

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "append", append_and_die)
        with pytest.raises(Killed):
            work()


def as_told(result):
    return [(t.id, t.proposal, t.status, t.losses, t.measurement.metrics, t.error) for t in result.trials]
