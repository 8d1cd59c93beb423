"""The reading side of a run: its log, trials, epochs and ledger, also while another process works on it."""

from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from nasturtium.core.errors import UsageError
from nasturtium.study.events import Epoch, Event, StageFinished, TrialRecord, decode
from nasturtium.study.ledger import Ledger
from nasturtium.study.store import RunRecord, Store

DATABASE = "nasturtium.db"


def list_runs(root: Path) -> list[RunRecord]:
    """The runs kept in the folder `root`, the oldest first; none if nothing was ever run there."""
    if not (root / DATABASE).exists():
        return []
    store = Store(root / DATABASE)
    try:
        return store.runs()
    finally:
        store.close()


def is_open(root: Path, name: str) -> bool:
    """Whether a process works on the run now; one that was killed stays `running` in the store."""
    lock = FileLock(root / name / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


class RunLog:
    """One named run as it is stored. `folder` holds its files."""

    def __init__(self, store: Store, record: RunRecord, folder: Path) -> None:
        self.record = record
        self.folder = folder
        self._store = store

    @classmethod
    def read(cls, root: Path, name: str) -> "RunLog":
        """The run `name` kept in the folder `root`; raises `UsageError` if there is none."""
        if not (root / DATABASE).exists():
            raise UsageError(f"there are no runs in {root}: give the folder in which the run was made")
        store = Store(root / DATABASE)
        return RunLog(store, store.open_run(name), root / name)

    @property
    def name(self) -> str:
        """The run's name."""
        return self.record.name

    def events(self) -> list[Event]:
        """The whole log, in order."""
        return [decode(event.kind, event.payload) for event in self._store.events(self.record.id)]

    def stages(self) -> dict[str, StageFinished]:
        """The finished stages by name."""
        return {event.stage: event for event in self.events() if isinstance(event, StageFinished)}

    def epochs(self, stage: str) -> list[Mapping[str, float]]:
        """The epoch records of a stage; where a killed training repeated epochs, the later ones count."""
        kept: list[Mapping[str, float]] = []
        for event in self.events():
            if isinstance(event, Epoch) and event.stage == stage:
                while kept and kept[-1]["epoch"] >= event.record["epoch"]:
                    kept.pop()
                kept.append(event.record)
        return kept

    def trials(self, stage: str | None = None) -> list[TrialRecord]:
        """The trials of the run, or of one of its stages, by stage and number; also those still running."""
        return self._store.trials(self.record.id, stage)

    def ledger(self) -> Ledger:
        """What was spent so far, by stage."""
        return Ledger.of(self.events())
