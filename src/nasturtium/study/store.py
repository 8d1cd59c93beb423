"""Where runs are kept: one database file for many runs, safe to be killed at any moment."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import URL, Connection, create_engine, event, func, insert, make_url, select, update
from sqlalchemy.exc import SQLAlchemyError

from nasturtium.core.errors import StorageError, UsageError, did_you_mean
from nasturtium.core.version import VERSION
from nasturtium.problem.records import Cost, Fidelity, Measurement
from nasturtium.study import tables
from nasturtium.study.events import Json, TrialRecord, arch_from_json, arch_to_json

State = Literal["running", "finished", "stopped", "failed"]
PATIENCE = 30  # seconds to wait for another process to finish writing


@dataclass(frozen=True)
class RunRecord:
    """What is stored about a run as a whole. `created` is a UTC time in ISO form."""

    id: int
    name: str
    created: str
    version: str
    command: str
    config: Json
    space: Json
    seed: int
    state: State
    error: str | None


@dataclass(frozen=True)
class StoredEvent:
    """One line of a run's log; `seq` counts from 1, `time` is UTC in ISO form."""

    seq: int
    time: str
    kind: str
    payload: Json


def now() -> str:
    """The present UTC time in ISO form, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Store:
    """A database at a path (SQLite, created if missing) or at an SQLAlchemy URL.

    Every method is one transaction, on disk when the method returns. All raise `StorageError` when the
    database can't be read or written.
    """

    def __init__(self, place: Path | str) -> None:
        is_url = isinstance(place, str) and "://" in place
        url = make_url(str(place)) if is_url else URL.create("sqlite", database=str(place))
        self.place = url.render_as_string(hide_password=True) if is_url else str(place)
        self._engine = create_engine(url)
        self._writer = self._engine.execution_options(for_writing=True)
        if url.get_backend_name() == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        with self._transaction() as connection:
            tables.create_or_check(connection, self.place)

    def close(self) -> None:
        """Lets go of the file; the next use opens it again."""
        self._engine.dispose()

    # --- runs
    def create_run(self, name: str, *, command: str, config: Json, space: Json, seed: int) -> RunRecord:
        """A new run in the state `running`; the name must be free."""
        values = {
            "name": name,
            "created": now(),
            "version": VERSION,
            "command": command,
            "config": json.dumps(config),
            "space": json.dumps(space),
            "seed": str(seed),
            "state": "running",
        }
        with self._transaction() as connection:
            connection.execute(insert(tables.runs).values(values))
        return self.open_run(name)

    def open_run(self, name: str) -> RunRecord:
        """The run called `name`; raises `UsageError` if there is none."""
        known = {run.name: run for run in self.runs()}
        if name not in known:
            raise UsageError(f"no run is called {name!r} in {self.place}: {did_you_mean(name, known)}")
        return known[name]

    def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        with self._transaction(write=False) as connection:
            rows = connection.execute(select(tables.runs).order_by(tables.runs.c.id)).mappings().all()
        return [_run(dict(row)) for row in rows]

    def set_state(self, run: int, state: State, error: str | None = None) -> None:
        """Says how a run stands."""
        with self._transaction() as connection:
            where = tables.runs.c.id == run
            connection.execute(update(tables.runs).where(where).values(state=state, error=error))

    # --- the log
    def append(self, run: int, kind: str, payload: Json, *, trials: Sequence[TrialRecord] = ()) -> int:
        """Adds an event and updates the trials it is about, both or neither; returns its number."""
        text, time, log = json.dumps(payload), now(), tables.events
        with self._transaction() as connection:
            last = connection.execute(select(func.max(log.c.seq)).where(log.c.run == run)).scalar()
            seq = int(last or 0) + 1
            row = {"run": run, "seq": seq, "time": time, "kind": kind, "payload": text}
            connection.execute(insert(log).values(row))
            for trial in trials:
                _upsert(connection, run, trial, time)
        return seq

    def events(self, run: int, after: int = 0) -> list[StoredEvent]:
        """The log behind event number `after`, in order."""
        log = tables.events
        query = select(log).where(log.c.run == run, log.c.seq > after).order_by(log.c.seq)
        with self._transaction(write=False) as connection:
            rows = connection.execute(query).all()
        return [StoredEvent(row.seq, row.time, row.kind, json.loads(row.payload)) for row in rows]

    def trials(self, run: int, stage: str | None = None) -> list[TrialRecord]:
        """The trials of a run, or of one of its stages, by stage and number."""
        table = tables.trials
        query = select(table).where(table.c.run == run).order_by(table.c.stage, table.c.number)
        if stage is not None:
            query = query.where(table.c.stage == stage)
        with self._transaction(write=False) as connection:
            rows = connection.execute(query).mappings().all()
        return [_trial(dict(row)) for row in rows]

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[Connection]:
        try:
            with (self._writer if write else self._engine).begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise StorageError(_explain(self.place, str(getattr(error, "orig", error)))) from error


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin and end where we say, not where the driver guesses
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the lock first: a reader that turns writer half-way could not wait for another writer."""
    writing = connection.get_execution_options().get("for_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _explain(place: str, cause: str) -> str:
    safe = "nothing already stored was changed"
    for sign, advice in {
        "not a database": "this file is no database: name another file or folder",
        "malformed": "the file is damaged: restore it from a copy, or start in another folder",
        "full": f"the disk is full; {safe}: free some space and give the same command again",
        "readonly": f"it may not be written; {safe}: check the permissions of the file and its folder",
        "unable to open": f"it can't be opened; {safe}: check that its folder exists and may be written",
        "locked": f"another process has kept it locked for {PATIENCE} s; {safe}: try again",
    }.items():
        if sign in cause:
            return f"{place}: {advice} ({cause})"
    return f"{place} can't be read or written; {safe} ({cause})"


def _upsert(connection: Connection, run: int, trial: TrialRecord, time: str) -> None:
    table = tables.trials
    key = {"run": run, "stage": trial.stage, "number": trial.number}
    values: dict[str, Any] = {
        "label": trial.label,
        "architecture": None if trial.arch is None else json.dumps(arch_to_json(trial.arch)),
        "epochs": None if trial.fidelity is None else trial.fidelity.epochs,
        "losses": json.dumps(trial.losses),
        **{name: json.dumps(value) for name, value in trial.measurement.to_dict().items()},
        "state": trial.status,
        "error": trial.error,
        "started" if trial.status == "running" else "finished": time,
    }
    where = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*where).values(values)).rowcount == 0:
        connection.execute(insert(table).values(key | values))


def _run(row: dict[str, Any]) -> RunRecord:
    parsed = {name: json.loads(row[name]) for name in ("config", "space", "seed")}
    return RunRecord(**(row | parsed))


def _trial(row: dict[str, Any]) -> TrialRecord:
    parts = {name: json.loads(row[name]) for name in ("metrics", "cost", "curve")}
    return TrialRecord(
        stage=row["stage"],
        number=row["number"],
        label=row["label"],
        arch=arch_from_json(json.loads(row["architecture"]) if row["architecture"] else None),
        fidelity=None if row["epochs"] is None else Fidelity(row["epochs"]),
        status=row["state"],
        losses=tuple(json.loads(row["losses"])),
        measurement=Measurement(parts["metrics"], Cost.from_dict(parts["cost"]), tuple(parts["curve"])),
        error=row["error"],
        started=row["started"],
        finished=row["finished"],
    )
