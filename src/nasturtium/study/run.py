"""One named run: a locked folder, a log in the store, and stages that are done once."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from nasturtium.core.errors import NasturtiumError, StorageError, UsageError
from nasturtium.problem.records import Cost
from nasturtium.study.differences import differences
from nasturtium.study.events import (
    Epoch,
    Event,
    Json,
    Note,
    Spent,
    StageFinished,
    Told,
    TrialRecord,
    encode,
)
from nasturtium.study.log import DATABASE, RunLog
from nasturtium.study.store import RunRecord, Store

NAME = re.compile(rf"(?!\.|{re.escape(DATABASE)})[a-z0-9._-]{{1,100}}", re.ASCII | re.IGNORECASE)
NOTHING = Cost()


class Run(RunLog):
    """A run that this process works on. Use it as a context manager, which releases the lock and records
    how the work ended: `finished`, `stopped` (interrupted) or `failed` (an error). Opening it again resumes.
    """

    def __init__(self, store: Store, record: RunRecord, folder: Path, lock: FileLock) -> None:
        super().__init__(store, record, folder)
        self._lock = lock
        self._seconds: dict[str, float] = {}  # logged by this process, by stage

    @classmethod
    def open(cls, root: Path, name: str, *, config: Json, space: Json, seed: int, command: str) -> "Run":
        """Creates the run in the folder `root`, or resumes it.

        Raises `UsageError` for an unusable name, a run that another process works on, or settings that differ
        from those it was begun with; `StorageError` if files can't be written.
        """
        folder = _make_folder(root, name)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"run {name!r} is being worked on by another process: wait for it, or use another --run name"
            ) from None
        try:
            store = Store(root / DATABASE)
            record = _create_or_check(store, name, config=config, space=space, seed=seed, command=command)
        except BaseException:
            lock.release()
            raise
        return cls(store, record, folder, lock)

    def __enter__(self) -> "Run":
        self._store.set_state(self.record.id, "running")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._store.set_state(self.record.id, "finished")
            else:
                with suppress(StorageError):  # the error that is already on its way says more
                    self._record_end(error)
        finally:
            self._store.close()
            self._lock.release()

    def _record_end(self, error: BaseException) -> None:
        if isinstance(error, Exception):
            text = str(error) if isinstance(error, NasturtiumError) else f"{type(error).__name__}: {error}"
            self._store.set_state(self.record.id, "failed", text)
        else:
            self._store.set_state(self.record.id, "stopped")

    def path(self, *parts: str) -> Path:
        """A path in the run's folder (nothing is created); raises `UsageError` if it would lie outside."""
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise UsageError(f"{'/'.join(parts)!r} lies outside the folder of run {self.name!r}")
        return path

    # --- writing the log
    def commit(self, event: Event, *, trials: Sequence[TrialRecord] = ()) -> None:
        """Puts an event on disk, with the trials it is about; only then may it be acted on."""
        kind, payload = encode(event)
        self._store.append(self.record.id, kind, payload, trials=trials)
        self._seconds[event.stage] = self._seconds.get(event.stage, 0.0) + event.cost.seconds

    def stage(self, name: str, work: Callable[[], Json]) -> Json:
        """What the stage found: from the log if it is done, otherwise `work` is called and its result kept.

        `work` returns a JSON-able object, and may be called again after a kill. The stage is charged with the
        seconds that its epochs and trials, which are logged as they come, don't account for.
        """
        done = self.stages().get(name)
        if done is not None:
            return done.payload
        before, began = self._seconds.get(name, 0.0), time.perf_counter()
        payload: Json = json.loads(json.dumps(work()))
        logged = self._seconds.get(name, 0.0) - before
        rest = max(time.perf_counter() - began - logged, 0.0)
        self.commit(StageFinished(name, payload, Cost(seconds=rest)))
        return payload

    def epoch(self, stage: str, record: Mapping[str, float], *, cost: Cost = NOTHING) -> None:
        """Logs an epoch: `record` holds its number as `epoch` and its figures; `cost` is its own."""
        self.commit(Epoch(stage, {"epoch": record["epoch"], **record}, cost))

    def spend(self, stage: str, cost: Cost) -> None:
        """Logs a cost that belongs to no epoch and no trial."""
        self.commit(Spent(stage, cost))

    def record_trial(self, trial: TrialRecord) -> TrialRecord:
        """Logs a finished trial that was made outside a study; returns it with the next number of its stage.

        Look for its label in `trials(stage)` first: a resumed run has it already.
        """
        trial = replace(trial, number=len(self.trials(trial.stage)))
        self.commit(Told(trial.stage, trial), trials=[trial])
        return trial

    def note(self, text: str) -> None:
        """Logs a remark for the person who reads the run."""
        self.commit(Note(text))


def _make_folder(root: Path, name: str) -> Path:
    if not NAME.fullmatch(name):
        raise UsageError(
            f"run name {name!r}: use up to 100 letters, digits, '.', '_' and '-', not beginning with '.' "
            f"or {DATABASE!r}"
        )
    try:
        (root / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the folder {root / name} can't be made: {error.strerror}") from error
    return root / name


def _create_or_check(
    store: Store, name: str, *, config: Json, space: Json, seed: int, command: str
) -> RunRecord:
    if name not in {run.name for run in store.runs()}:
        return store.create_run(name, command=command, config=config, space=space, seed=seed)
    record = store.open_run(name)
    changed = differences(record.config, config)
    changed += differences(record.space, space, within="space")
    changed += differences(record.seed, seed, within="seed")
    if changed:
        raise UsageError(
            f"run {name!r} was begun with other settings (stored → now):\n"
            + "\n".join(f"  {line}" for line in changed)
            + "\nUse another --run name, or the stored settings to continue it."
        )
    return record
