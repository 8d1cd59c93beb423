import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nasturtium.core.errors import StorageError, UsageError
from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.space.architecture import Architecture
from nasturtium.study.events import TrialRecord
from nasturtium.study.store import RunRecord, Store


def new_run(store: Store, name: str = "a") -> RunRecord:
    return store.create_run(name, command="x", config={"lr": 0.1}, space={"d": [1]}, seed=2**80)


def test_runs_and_their_logs_are_kept_apart(tmp_path):
    path = tmp_path / "with ? and #.db"
    store = Store(path)
    a, b = new_run(store, "a"), new_run(store, "b")
    assert [store.append(a.id, "note", {"i": i}) for i in range(3)] == [1, 2, 3]
    assert store.append(b.id, "note", {"i": 9}) == 1
    store.close()
    again = Store(path)
    assert again.open_run("a") == a
    assert (a.seed, a.config, a.state) == (2**80, {"lr": 0.1}, "running")
    assert [(e.seq, e.payload["i"]) for e in again.events(a.id, after=1)] == [(2, 1), (3, 2)]
    again.set_state(b.id, "failed", "disk full")
    assert [(r.name, r.state, r.error) for r in again.runs()] == [
        ("a", "running", None),
        ("b", "failed", "disk full"),
    ]
    with pytest.raises(UsageError, match="no run is called 'c'"):
        again.open_run("c")


def test_a_trial_is_updated_with_its_event_or_not_at_all(tmp_path):
    store = Store(tmp_path / "runs.db")
    run = new_run(store).id
    arch = Architecture({"op": "conv", "inputs": (0, 2)})
    asked = TrialRecord("search", 0, arch=arch, fidelity=Fidelity(3))
    store.append(run, "asked", {}, trials=[asked])
    assert [t.status for t in store.trials(run)] == ["running"]
    measured = Measurement({"accuracy": 0.5}, Cost(seconds=2.0, epochs=3.0), ({"epoch": 1.0},))
    done = TrialRecord("search", 0, "", arch, Fidelity(3), "ok", (-0.5,), measured)
    store.append(run, "told", {}, trials=[done])
    (found,) = store.trials(run, "search")
    assert (found.arch, found.fidelity, found.losses, found.measurement) == (
        arch,
        Fidelity(3),
        (-0.5,),
        measured,
    )
    assert found.started <= found.finished
    assert found.finished.endswith("+00:00")
    broken = TrialRecord("search", 1, label=None)  # type: ignore[arg-type]  # the database refuses it
    with pytest.raises(StorageError):
        store.append(run, "told", {}, trials=[broken])
    assert [e.kind for e in store.events(run)] == ["asked", "told"]


def test_a_newer_schema_is_refused_with_both_versions(tmp_path):
    path = tmp_path / "runs.db"
    Store(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE schema_version SET version = 7")
    with pytest.raises(StorageError, match=r"schema version 7; this nasturtium reads version 1: upgrade"):
        Store(path)


def test_files_that_are_not_ours_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("Shopping list: " + "milk, " * 500)
    before = text.read_bytes()
    with pytest.raises(StorageError, match=r"notes\.txt: this file is no database"):
        Store(text)
    assert text.read_bytes() == before
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    with pytest.raises(StorageError, match=r"another program \(tables birds\)"):
        Store(other)


def test_a_truncated_database_is_a_storage_error(tmp_path):
    path = tmp_path / "runs.db"
    store = Store(path)
    run = new_run(store).id
    for i in range(200):
        store.append(run, "note", {"text": f"{i}" * 200})
    store.close()
    size = path.stat().st_size
    for part in (0.9, 0.5, 0.1):
        with path.open("r+b") as file:
            file.truncate(int(size * part))
        with pytest.raises(StorageError, match="damaged|can't be read"):
            Store(path).events(run)


def test_a_full_disk_changes_nothing_and_says_so(tmp_path):
    store = Store(tmp_path / "runs.db")
    run = new_run(store).id
    store.append(run, "note", {"text": "kept"})
    with store._engine.connect() as connection:  # the one pooled connection: its size limit stays
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(
        StorageError, match=r"disk is full; nothing already stored was changed: free some space"
    ):
        store.append(run, "note", {"text": "x" * 100_000})
    assert [e.payload["text"] for e in store.events(run)] == ["kept"]


def test_a_database_that_may_not_be_written(tmp_path):
    path = tmp_path / "runs.db"
    store = Store(path)
    run = new_run(store).id
    with store._engine.connect() as connection:  # permissions don't bind root, so the database itself refuses
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StorageError, match="may not be written; nothing already stored was changed"):
        store.append(run, "note", {})


def test_a_missing_folder(tmp_path):
    with pytest.raises(StorageError, match="check that its folder exists"):
        Store(tmp_path / "nowhere" / "runs.db")


WRITER = """
import sys
from pathlib import Path
from nasturtium.study.store import Store
store = Store(Path(sys.argv[1]))
run = store.create_run(sys.argv[2], command="", config={}, space={}, seed=0).id
for i in range(40):
    store.append(run, "note", {"i": i})
"""


def test_processes_write_different_runs_at_the_same_time(tmp_path: Path):
    """Also the creation of the database is raced for."""
    path = tmp_path / "runs.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abcd"]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    store = Store(path)
    for run in store.runs():
        assert [e.payload["i"] for e in store.events(run.id)] == list(range(40))
    assert sorted(run.name for run in store.runs()) == list("abcd")
