import subprocess
import sys
from types import SimpleNamespace

import pytest

from nasturtium.core.errors import StorageError, UsageError
from nasturtium.problem.records import Cost, Measurement
from nasturtium.study.events import Note, TrialRecord
from nasturtium.study.log import RunLog, list_runs
from nasturtium.study.run import Run

SETTINGS = {
    "config": {"lr": 0.1, "data": {"name": "digits", "size": 8}},
    "space": {"d": [["op", ["a", "b"]]]},
}


def opened(root, name="first", *, seed=0, **changes) -> Run:
    return Run.open(root, name, seed=seed, command="nasturtium search", **(SETTINGS | changes))


def test_a_stage_is_done_once_and_gives_the_same_every_time(tmp_path):
    calls = []

    def work():
        calls.append(1)
        return {"alpha": (1, 2), 3: 0.1 + 0.2}

    with opened(tmp_path) as run:
        first = run.stage("supernet", work)
    with opened(tmp_path) as run:
        second = run.stage("supernet", work)
    assert first == second == {"alpha": [1, 2], "3": 0.1 + 0.2}
    assert len(calls) == 1


def test_a_stage_that_fails_is_not_done(tmp_path):
    def broken():
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError), opened(tmp_path) as run:
        run.stage("supernet", broken)
    (record,) = list_runs(tmp_path)
    assert (record.state, record.error) == ("failed", "ZeroDivisionError: by zero")
    with opened(tmp_path) as run:
        assert run.stage("supernet", lambda: {"ok": True}) == {"ok": True}
    (record,) = list_runs(tmp_path)
    assert (record.state, record.error) == ("finished", None)


@pytest.mark.parametrize(
    ("error", "state", "text"),
    [
        (KeyboardInterrupt(), "stopped", None),
        (UsageError("no such data"), "failed", "no such data"),
        (StorageError("disk full"), "failed", "disk full"),
    ],
)
def test_how_a_run_ended_is_recorded_and_the_lock_is_free(tmp_path, error, state, text):
    def work():
        assert list_runs(tmp_path)[0].state == "running"
        raise error

    with pytest.raises(type(error)), opened(tmp_path) as run:
        run.stage("search", work)
    (record,) = list_runs(tmp_path)
    assert (record.state, record.error) == (state, text)
    with opened(tmp_path) as run:
        assert run.name == "first"


def test_a_stage_is_charged_each_second_once(tmp_path, monkeypatch):
    clock = iter([100.0, 110.0])
    monkeypatch.setattr("nasturtium.study.run.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    with opened(tmp_path) as run:
        run.epoch("train", {"epoch": 0}, cost=Cost(seconds=50))  # an earlier, killed attempt

        def work():
            run.epoch("train", {"epoch": 0}, cost=Cost(seconds=3, backward=5))
            run.record_trial(TrialRecord("train", 0, "plain", measurement=Measurement({}, Cost(seconds=4))))
            run.epoch("other", {"epoch": 0}, cost=Cost(seconds=1000))
            return {}

        run.stage("train", work)
        entry = run.ledger().entries[0]
    assert (entry.stage, entry.trials) == ("train", 1)
    assert entry.cost == Cost(seconds=60.0, backward=5)  # 50 before, and 10 on the clock: 3 + 4 + a rest of 3


def test_epochs_that_were_repeated_count_once_in_the_curve(tmp_path):
    with opened(tmp_path) as run:
        for epoch, loss in [(0, 5.0), (1, 4.0), (2, 3.0), (1, 4.5), (2, 3.5)]:
            run.epoch("train", {"epoch": epoch, "loss": loss}, cost=Cost(seconds=1))
        run.epoch("verdict", {"epoch": 0, "loss": 9.0})
        assert [(r["epoch"], r["loss"]) for r in run.epochs("train")] == [(0, 5.0), (1, 4.5), (2, 3.5)]
        assert run.ledger().total.cost.seconds == 5  # but all were paid for


def test_trials_outside_a_study_are_numbered_within_their_stage(tmp_path):
    with opened(tmp_path) as run:
        for stage, label in [("verdict", "found"), ("verdict", "plain"), ("other", "x")]:
            run.record_trial(
                TrialRecord(stage, 99, label, status="ok", measurement=Measurement({"acc": 0.5}))
            )
        run.note("hello")
    log = RunLog.read(tmp_path, "first")
    assert [(t.number, t.label, t.status) for t in log.trials("verdict")] == [
        (0, "found", "ok"),
        (1, "plain", "ok"),
    ]
    assert [t.label for t in log.trials()] == ["x", "found", "plain"]
    assert log.events()[-1] == Note("hello")


def test_other_settings_are_refused_with_every_difference(tmp_path):
    with opened(tmp_path):
        pass
    with opened(tmp_path):
        pass
    config = {"lr": 0.2, "data": {"name": "digits"}, "epochs": 3}
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, config=config, space={"d": [["op", ["a", "c"]]]}, seed=1)
    assert str(caught.value).splitlines() == [
        "run 'first' was begun with other settings (stored → now):",
        "  lr: 0.1 → 0.2",
        "  data.size: 8 → (not given)",
        "  epochs: (not given) → 3",
        '  space.d.0.1: ["a", "b"] → ["a", "c"]',
        "  seed: 0 → 1",
        "Use another --run name, or the stored settings to continue it.",
    ]
    with opened(tmp_path):  # the refusal has released the lock
        pass


def test_tuples_and_lists_are_the_same_setting(tmp_path):
    with opened(tmp_path, config={"sizes": (1, 2)}):
        pass
    with opened(tmp_path, config={"sizes": [1, 2]}):
        pass


def test_many_differences_are_counted(tmp_path):
    with opened(tmp_path, config={f"option{i}": i for i in range(40)}):
        pass
    with pytest.raises(UsageError, match="and 28 more"):
        opened(tmp_path, config={})


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "../a", "a\\b", "a b", "ü", "a\n", "Nasturtium.db-wal"]
)
def test_names_that_could_leave_the_folder_are_refused(tmp_path, name):
    root = tmp_path / "runs"
    with pytest.raises(UsageError, match="use up to 100 letters"):
        opened(root, name)
    assert not root.exists()


def test_paths_stay_inside_the_runs_folder(tmp_path):
    with opened(tmp_path, "a.b_c-1") as run:
        assert run.path("verdict", "net.onnx") == tmp_path / "a.b_c-1" / "verdict" / "net.onnx"
        for parts in [("..", "x"), ("/etc/passwd",), ("a/../../x",)]:
            with pytest.raises(UsageError, match="lies outside the folder of run"):
                run.path(*parts)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "first").write_text("a file")
    with pytest.raises(StorageError, match="can't be made"):
        opened(tmp_path)


HOLDER = """
import sys
from pathlib import Path
from nasturtium.study.run import Run
with Run.open(Path(sys.argv[1]), "first", config={}, space={}, seed=0, command=""):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_only_one_process_works_on_a_run(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(UsageError, match="'first' is being worked on by another process"):
        opened(tmp_path, config={}, space={})
    assert [run.state for run in list_runs(tmp_path)] == ["running"]  # reading is allowed
    with opened(tmp_path, "second"):
        pass
    holder.kill()
    holder.wait(timeout=30)
    with opened(tmp_path, config={}, space={}):  # a killed process holds nothing
        pass


def test_reading_a_run_that_is_not_there(tmp_path):
    assert list_runs(tmp_path) == []
    with pytest.raises(UsageError, match="there are no runs in"):
        RunLog.read(tmp_path, "first")
    assert list(tmp_path.iterdir()) == []
    with opened(tmp_path, "first"):
        pass
    with pytest.raises(UsageError, match="no run is called 'frist' .*did you mean 'first'"):
        RunLog.read(tmp_path, "frist")
