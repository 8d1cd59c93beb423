"""Studies whose strategies promote: what jobs are told, what is refused, and kills."""

import numpy as np
import pytest
from study_parts import SPACE, as_told, log, search, search_until_killed

from nasturtium.core.errors import NasturtiumError, UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Estimator, Problem, Strategy
from nasturtium.problem.records import Cost, Fidelity, Measurement, Proposal
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.base import STRATEGIES

LADDER = Problem(SPACE, (Objective("score", "max"),), tuple(map(Fidelity, (1, 3, 9))))
ARCH, OTHER = Architecture({"a": 0, "b": 1, "c": 2}), Architecture({"a": 1, "b": 1, "c": 2})


class Scripted(Strategy):
    """Gives these proposals, one for each ask."""

    def __init__(self, *proposals: Proposal) -> None:
        super().__init__(LADDER)
        self.rest = list(proposals)

    def ask(self, n):
        return [self.rest.pop(0)] if self.rest else []


class Trained(Estimator):
    """Keeps its state in files: what continues a trial needs what that left, and costs what it adds."""

    metrics = ("score",)

    def __init__(self):
        self.jobs = []

    def evaluate(self, job, report):
        self.jobs.append(job)
        done = 0
        if job.resume_from is not None:
            if not (job.resume_from / "epochs").exists():
                raise NasturtiumError(f"there is nothing in {job.resume_from}")
            done = int((job.resume_from / "epochs").read_text())
        if job.arch["a"] == 3:
            raise NasturtiumError("it diverged")
        job.workdir.mkdir(parents=True, exist_ok=True)
        (job.workdir / "epochs").write_text(str(job.fidelity.epochs))
        noise = np.random.default_rng(job.seed).normal()
        score = sum(job.arch.values()) + noise / job.fidelity.epochs
        return Measurement({"score": score}, Cost(1.0, epochs=job.fidelity.epochs - done))


def test_what_continues_a_trial_gets_its_folder_and_the_seed_of_the_first(tmp_path):
    estimator = Trained()
    strategy = Scripted(
        Proposal(OTHER, Fidelity(1)),
        Proposal(ARCH, Fidelity(1)),
        Proposal(ARCH, Fidelity(3), parent=1),
        Proposal(ARCH, None, parent=2),
    )
    result = search(tmp_path, strategy=strategy, estimator=estimator)
    folder = tmp_path / "r" / "search"
    assert [job.seed for job in estimator.jobs] == [seed_for(7, "trial", i) for i in (0, 1, 1, 1)]
    assert [job.resume_from for job in estimator.jobs] == [None, None, folder / "1", folder / "2"]
    assert [job.workdir for job in estimator.jobs] == [folder / str(i) for i in range(4)]
    assert [t.measurement.cost.epochs for t in result.trials] == [1, 1, 2, 6]
    assert result.best.id == 3


@pytest.mark.parametrize(
    ("proposal", "reason"),
    [
        (Proposal(ARCH, Fidelity(3), parent=5), "5, which has not finished successfully"),
        (Proposal(ARCH, Fidelity(3), parent=1), "1, which has not finished successfully"),
        (Proposal(OTHER, Fidelity(3), parent=0), "0, which is of another architecture, with .*'a': 1"),
        (Proposal(ARCH, Fidelity(1), parent=0), "0, which has 1 epochs, to 1"),
    ],
)
def test_a_senseless_parent_is_refused(tmp_path, proposal, reason):
    failing = Proposal(Architecture({"a": 3, "b": 1, "c": 2}), Fidelity(1))
    strategy = Scripted(Proposal(ARCH, Fidelity(1)), failing, proposal)
    with pytest.raises(UsageError, match=f"Scripted proposed to continue trial {reason}"):
        search(tmp_path, strategy=strategy, estimator=Trained())
    assert [kind for _, kind, _ in log(tmp_path)] == ["asked", "told"] * 2  # nothing of it is in the log


def test_where_the_part_before_is_gone_the_trial_fails(tmp_path):
    class Forgetful(Trained):
        def evaluate(self, job, report):
            found = super().evaluate(job, report)
            (job.workdir / "epochs").unlink()
            return found

    strategy = Scripted(Proposal(ARCH, Fidelity(1)), Proposal(ARCH, Fidelity(3), parent=0))
    result = search(tmp_path, strategy=strategy, estimator=Forgetful())
    assert [t.status for t in result.trials] == ["ok", "failed"]
    assert "there is nothing in" in result.trials[1].error


@pytest.mark.parametrize("name", ["asha", "hyperband", "bohb", "dehb"])
def test_killed_after_every_event_a_search_with_promotions_is_the_same(tmp_path, name):
    def parts():
        strategy = STRATEGIES.get(name)(LADDER, seed=3)
        return {"strategy": strategy, "estimator": Trained(), "budget": "16 trials"}

    whole = search(tmp_path, "whole", **parts())
    assert any(t.proposal.parent is not None for t in whole.trials)
    reference = log(tmp_path, "whole")
    for event in range(1, len(reference) + 1, 3):
        killed = f"killed-{event}"
        search_until_killed(tmp_path, killed, event, **parts())
        again = search(tmp_path, killed, **parts())
        assert log(tmp_path, killed) == reference
        assert as_told(again) == as_told(whole)


def test_a_budget_of_epochs_counts_what_is_added(tmp_path):
    strategy = STRATEGIES.get("asha")(LADDER, seed=1)
    result = search(tmp_path, strategy=strategy, estimator=Trained(), budget="30 epochs")
    spent = [t.measurement.cost.epochs for t in result.trials]
    assert sum(spent[:-1]) < 30 <= sum(spent)
    assert len(spent) > 30 / 3
