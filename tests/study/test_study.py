import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study_parts import (
    PROBLEM,
    SPACE,
    Climber,
    Score,
    as_told,
    log,
    opened,
    search,
    search_until_killed,
    study,
)

from nasturtium.core.errors import NasturtiumError, StorageError, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.random import RandomSearch
from nasturtium.study.budget import Budget
from nasturtium.study.executors.base import Executor
from nasturtium.study.executors.inline import InlineExecutor
from nasturtium.study.store import Store
from nasturtium.study.study import Study


def test_killed_after_every_event_and_resumed_it_is_the_same_run(tmp_path):
    with opened(tmp_path, "whole") as run:
        whole = study(run).run()
    reference = log(tmp_path, "whole")
    assert len(reference) == 24
    assert {t.status for t in whole.trials} == {"ok", "failed"}  # failed trials are replayed too
    for k in range(1, len(reference) + 1):
        name = f"killed-{k}"
        search_until_killed(tmp_path, name, k)
        assert log(tmp_path, name) == reference[:k]
        with opened(tmp_path, name) as run:
            resumed = study(run).run()
            assert log(tmp_path, name) == reference, k
            assert [t.status for t in run.trials("search")] == [t.status for t in resumed.trials]
        assert as_told(resumed) == as_told(whole)
        assert resumed.best.id == whole.best.id


def test_killed_over_and_over(tmp_path):
    """Every process lives for one event only."""
    with opened(tmp_path, "whole") as run:
        whole = study(run).run()
    for k in range(1, 25):
        search_until_killed(tmp_path, "often", k)
    with opened(tmp_path, "often") as run:
        estimator = Score()
        assert as_told(study(run, estimator=estimator).run()) == as_told(whole)
        assert estimator.jobs == []
    assert log(tmp_path, "often") == log(tmp_path, "whole")


@pytest.mark.parametrize("budget", ["9 epochs", "5 trials"])
def test_a_budget_ends_it_at_the_same_place_when_resumed(tmp_path, budget):
    with opened(tmp_path, "whole") as run:
        whole = study(run, budget=budget).run()
    spent = [t.measurement.cost.epochs for t in whole.trials]
    if "epochs" in budget:
        assert sum(spent[:-1]) < 9 <= sum(spent)
    else:
        assert len(spent) == 5
    for k in range(1, 2 * len(spent) + 1):
        search_until_killed(tmp_path, f"{k}", k, budget=budget)
        with opened(tmp_path, f"{k}") as run:
            assert as_told(study(run, budget=budget).run()) == as_told(whole)


def test_seconds_are_counted_from_the_costs_and_not_from_the_clock(tmp_path):
    with opened(tmp_path) as run:
        result = study(run, strategy=RandomSearch(PROBLEM, seed=1), budget="10s").run()
        spent = run.ledger().total.cost.seconds
        assert len(result.trials) >= 10  # each costs one second, failed ones nearly nothing
        assert 10 <= spent < 12


class Backwards(Executor):
    """Three workers of which the one that began last is ready first."""

    slots = 3

    def __init__(self, estimator, report):
        self.jobs, self.inner = [], InlineExecutor(estimator, report)

    def submit(self, job):
        self.jobs.append(job)
        assert len(self.jobs) <= self.slots

    def wait(self):
        self.inner.submit(self.jobs.pop())
        return self.inner.wait()

    def close(self):
        self.jobs.clear()


def test_with_several_workers_nothing_told_is_lost(tmp_path):
    with opened(tmp_path, "whole") as run:
        whole = study(run, executor=Backwards).run()
    reference = log(tmp_path, "whole")
    assert [t.id for t in whole.trials] == list(range(12))
    assert [p["number"] for _, kind, p in reference if kind == "told"] != list(range(12))
    for k in range(1, len(reference) + 1):
        search_until_killed(tmp_path, f"{k}", k, executor=Backwards)
        with opened(tmp_path, f"{k}") as run:
            result = study(run, executor=Backwards).run()
            assert log(tmp_path, f"{k}")[:k] == reference[:k]
            told = [p["number"] for _, kind, p in log(tmp_path, f"{k}") if kind == "told"]
            assert sorted(told) == list(range(12))
            again = study(run, executor=Backwards).run()  # the log itself replays
            assert as_told(again) == as_told(result)


def test_every_step_is_on_disk_before_it_is_acted_on(tmp_path):
    class Looking(Climber):
        def tell(self, trials):
            _, kind, payload = log(tmp_path)[-1]
            assert (kind, payload["number"]) == ("told", trials[-1].id)
            super().tell(trials)

    class Watching(Score):
        def evaluate(self, job, report):
            _, kind, payload = log(tmp_path)[-1]
            assert (kind, payload["first"]) == ("asked", job.trial)
            return Measurement({"score": 1.0})

    result = search(tmp_path, strategy=Looking(PROBLEM), estimator=Watching(), budget="3 trials")
    assert [t.error for t in result.trials] == [None] * 3


def test_jobs_have_their_own_seed_folder_and_fidelity(tmp_path):
    estimator = Score()
    with opened(tmp_path) as run:
        study(run, estimator=estimator, budget="3 trials").run()
        study(run, estimator=estimator, budget="1 trial", stage="second").run()
    jobs = estimator.jobs
    assert [job.seed for job in jobs] == [seed_for(7, "trial", i) for i in (0, 1, 2, 0)]
    assert [job.fidelity.epochs for job in jobs] == [1, 2, 1, 1]
    assert [job.workdir for job in jobs] == [
        tmp_path / "r" / p for p in ("search/0", "search/1", "search/2", "second/0")
    ]


def test_the_best_is_the_best_at_the_highest_fidelity(tmp_path):
    class Plain(Score):
        def evaluate(self, job, report):
            return Measurement({"score": float(job.arch["a"]) + 10.0 * (job.fidelity.epochs == 1)})

    with opened(tmp_path) as run:
        result = study(run, strategy=Climber(PROBLEM, seed=2), estimator=Plain(), budget="30 trials").run()
    full = [t for t in result.trials if t.proposal.fidelity == Fidelity(2)]
    assert result.best.proposal.fidelity == Fidelity(2)
    assert result.best.losses == min(t.losses for t in full) > min(t.losses for t in result.trials)


def test_it_ends_with_the_strategy(tmp_path):
    small = Problem(SearchSpace([Decision("a", (0, 1, 2))]), PROBLEM.objectives, PROBLEM.fidelities)
    for _ in range(2):  # the second time from the log alone
        with opened(tmp_path) as run:
            strategy = RandomSearch(small, seed=0)
            result = Study(small, strategy, Score(), run=run, stage="s", budget=Budget(1, "seconds"), seed=0)
            result._budget = Budget(1e6, "seconds")
            assert sorted(t.proposal.arch["a"] for t in result.run().trials) == [0, 1, 2]
    assert [kind for _, kind, _ in log(tmp_path)] == ["asked", "told"] * 3 + ["asked"]


def test_another_strategy_cannot_continue_the_log(tmp_path):
    with opened(tmp_path) as run:
        study(run, budget="3 trials").run()
    with (
        opened(tmp_path) as run,
        pytest.raises(StorageError, match=r"from trial 0 of stage 'search' on its log holds"),
    ):
        study(run, strategy=Climber(PROBLEM, seed=6)).run()


class Broken(Score):
    """Fails from the trial number `first` on."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def evaluate(self, job, report):
        if job.trial >= self.first:
            raise TypeError("unsupported operand")
        return super().evaluate(job, report)


def never_a_3():
    """A strategy whose proposals Score never refuses."""
    space = SPACE.restrict({"a": (0, 1, 2)})
    return RandomSearch(Problem(space, PROBLEM.objectives, PROBLEM.fidelities), seed=0, replace=True)


def test_an_estimator_that_always_fails_stops_the_search_at_the_third(tmp_path):
    said = r"the last 3 evaluations .* TypeError: unsupported operand \(test_study\.py:\d+ in evaluate\)"
    with pytest.raises(NasturtiumError, match=said), opened(tmp_path) as run:
        study(run, estimator=Broken(0)).run()
    with opened(tmp_path) as run:  # mended, it goes on
        result = study(run, budget="8 trials").run()
    assert [t.status for t in result.trials][:3] == ["failed"] * 3
    assert "ok" in [t.status for t in result.trials]


def test_single_failures_are_told_and_passed(tmp_path):
    with opened(tmp_path) as run:
        result = study(run, strategy=never_a_3(), estimator=Broken(2), budget="10 trials").run()
        assert run.ledger().total.cost.epochs == 4
    assert [t.status for t in result.trials] == ["ok"] * 2 + ["failed"] * 8
    assert result.trials[5].losses == ()


def test_failing_for_ever_ends(tmp_path):
    with pytest.raises(NasturtiumError, match="the last 50 evaluations"):
        search(tmp_path, strategy=never_a_3(), estimator=Broken(1), budget="1000 epochs")


def test_a_result_without_the_objective_or_that_is_no_number_fails(tmp_path):
    class Odd(Score):
        def evaluate(self, job, report):
            answers = [{"score": 1.0}, {"score": float("nan")}, {"scores": 1.0}]
            return Measurement(answers[job.trial], Cost(epochs=2.0))

    with opened(tmp_path) as run:
        result = study(run, estimator=Odd(), budget="3 trials").run()
        assert run.ledger().total.cost.epochs == 6  # failed, but paid for
    assert [t.error for t in result.trials] == [
        None,
        "metric 'score' is nan",
        "metric 'score' was not measured: did you mean 'scores'?",
    ]


@pytest.mark.parametrize("error", [KeyboardInterrupt, StorageError])
def test_interruptions_and_a_broken_store_are_no_failed_trials(tmp_path, error):
    class Stopped(Score):
        def evaluate(self, job, report):
            raise error("enough")

    with pytest.raises(error), opened(tmp_path) as run:
        study(run, estimator=Stopped()).run()
    assert [kind for _, kind, _ in log(tmp_path)] == ["asked"]


def test_what_makes_no_sense_is_refused_before_anything_is_logged(tmp_path):
    class Wild(RandomSearch):
        def ask(self, n):
            return [Proposal(Architecture({"a": 9, "b": 0, "c": 0}))]

    class Eager(RandomSearch):
        def ask(self, n):
            return super().ask(n + 1)

    class Other(Score):
        metrics = ("scores", "params")

    with opened(tmp_path) as run:
        with pytest.raises(UsageError, match="Wild proposed an architecture outside the space: .*'a' got 9"):
            study(run, strategy=Wild(PROBLEM)).run()
        with pytest.raises(UsageError, match="Eager gave 2 proposals when asked for 1"):
            study(run, strategy=Eager(PROBLEM)).run()
        with pytest.raises(UsageError, match="nothing measures the objective 'score': did you mean 'scores'"):
            study(run, estimator=Other())
        assert run.events() == []


def test_progress_is_told_in_the_unit_of_the_budget(tmp_path):
    class Seen:
        def __init__(self):
            self.calls = []

        def start(self, stage, total, unit):
            self.calls.append(("start", stage, total, unit))

        def advance(self, done, **figures):
            self.calls.append((done, figures["trials"], figures.get("best score")))

        def finish(self):
            self.calls.append("finish")

        def say(self, text):
            raise AssertionError

    seen = Seen()
    with opened(tmp_path) as run:
        result = study(run, strategy=never_a_3(), budget="3 epochs", progress=seen).run()
    best = [t.measurement.metrics["score"] for t in result.trials]
    assert seen.calls == [
        ("start", "search", 3, "epochs"),
        (2, 1, best[0]),
        (3, 2, max(best)),
        "finish",
    ]


SCRIPT = """
import sys, time
from pathlib import Path
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Estimator, Problem
from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.random import RandomSearch
from nasturtium.study.budget import Budget
from nasturtium.study.run import Run
from nasturtium.study.study import Study

class Slow(Estimator):
    metrics = ("score",)
    def evaluate(self, job, report):
        time.sleep(float(sys.argv[3]))
        return Measurement({"score": job.seed / 2**63})

space = SearchSpace([Decision(name, (0, 1, 2, 3)) for name in "abc"])
problem = Problem(space, (Objective("score", "max"),), (Fidelity(1),))
with Run.open(Path(sys.argv[1]), sys.argv[2], config={}, space={}, seed=0, command="") as run:
    Study(problem, RandomSearch(problem, seed=3), Slow(), run=run, stage="search",
          budget=Budget(40, "trials"), seed=1).run()
"""


def test_a_process_that_is_really_killed_continues_to_the_same_log(tmp_path):
    def start(name, pause):
        command = [sys.executable, "-c", SCRIPT, str(tmp_path), name, pause]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL)

    assert start("whole", "0").wait(timeout=60) == 0
    for _ in range(2):
        victim = start("killed", "0.02")
        before = done(tmp_path)
        while done(tmp_path) < before + 5:
            assert victim.poll() is None
            time.sleep(0.01)
        victim.send_signal(signal.SIGKILL)
        assert victim.wait(timeout=60) == -signal.SIGKILL
    assert 10 <= done(tmp_path) < 80
    assert start("killed", "0").wait(timeout=60) == 0
    assert log(tmp_path, "killed") == log(tmp_path, "whole")


def done(root: Path) -> int:
    """How many events the killed run has so far."""
    store = Store(root / "nasturtium.db")
    try:
        return sum(len(store.events(run.id)) for run in store.runs() if run.name == "killed")
    finally:
        store.close()
