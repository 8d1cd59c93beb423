"""Trials over a limit."""

import pytest
from study_parts import PROBLEM, SPACE, Score, die_after, opened

from nasturtium.core.errors import NasturtiumError, UsageError
from nasturtium.problem.objectives import Limit
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Cost, Measurement
from nasturtium.strategies.random import RandomSearch
from nasturtium.study.budget import Budget
from nasturtium.study.study import Study


class Sized(Score):
    """Its size is the sum, and its score too; what is too large is not scored."""

    metrics = ("score", "size")

    def evaluate(self, job, report):
        size = float(sum(job.arch.values()))
        return Measurement({"size": size} if size > 4 else {"size": size, "score": size}, Cost(1.0))


def limited(run, most, *, budget="20 trials", told=None, seed=3, estimator=None):
    """A random search under a limit; `told` sees every trial that the strategy does."""

    class Told(RandomSearch):
        def tell(self, trials):
            if told is not None:
                told.extend(trials)

    problem = Problem(SPACE, PROBLEM.objectives, PROBLEM.fidelities, (Limit("size", most),))
    return Study(
        problem,
        Told(problem, seed=seed),
        estimator or Sized(),
        run=run,
        stage="search",
        budget=Budget.parse(budget),
        seed=7,
    )


def test_trials_over_a_limit_are_told_with_their_violation_also_when_replayed(tmp_path):
    whole: list = []
    with opened(tmp_path, "whole") as run:
        result = limited(run, 4.0, told=whole).run()
        stored = run.trials("search")
    assert {t.status for t in whole} == {"ok", "infeasible"}
    for trial in whole:
        size = sum(trial.proposal.arch.values())
        assert trial.violation == max(size / 4 - 1, 0)
        assert trial.losses == ((-size,) if size <= 4 else ())
    assert result.best.losses == (-4.0,)
    over = next(t for t in stored if t.status == "infeasible")
    assert over.error == f"{over.measurement.metrics['size']:g} is more than size ≤ 4"
    for k in (1, 8, 15, 23, 40):
        again: list = []
        die_after(k, lambda k=k: search_limited(tmp_path, f"{k}"))
        assert search_limited(tmp_path, f"{k}", told=again).best.id == result.best.id
        assert again == whole


def search_limited(root, name, *, told=None):
    with opened(root, name) as run:
        return limited(run, 4.0, told=told).run()


def test_limits_that_nothing_keeps_are_said_with_the_nearest_miss(tmp_path):
    class Large(Sized):
        def evaluate(self, job, report):
            return Measurement({"size": 10.0 + job.trial})

    said = "none of 5 trials of stage 'search' kept the limits; .* number 0: 10 is more than size ≤ 4"
    with pytest.raises(NasturtiumError, match=said), opened(tmp_path) as run:
        limited(run, 4.0, budget="5 trials", estimator=Large()).run()


def test_trials_over_a_limit_cost_nothing_and_still_come_to_an_end(tmp_path, monkeypatch):
    """The space has 1 architecture of size 0 and 63 larger ones."""
    monkeypatch.setattr("nasturtium.study.study.ENOUGH_OVER", 8)
    with opened(tmp_path) as run:
        trials = limited(run, 0.5, budget="100 epochs", seed=0).run().trials
    sizes = [sum(t.proposal.arch.values()) for t in trials]
    assert 0 in sizes
    last = len(sizes) - sizes.index(0) - 1
    assert last == 8 or len(sizes) == 64


def test_a_limit_on_what_nothing_measures_is_refused(tmp_path):
    problem = Problem(SPACE, PROBLEM.objectives, PROBLEM.fidelities, (Limit("sise", 1.0),))
    with opened(tmp_path) as run, pytest.raises(UsageError, match="the limit 'sise': did you mean 'size'"):
        Study(problem, RandomSearch(problem), Sized(), run=run, stage="s", budget=Budget(1, "trials"), seed=0)
