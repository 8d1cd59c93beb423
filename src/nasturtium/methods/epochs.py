"""The epochs of a search: shown to a person, and logged once."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from nasturtium.oneshot.epochs import OnEpoch
from nasturtium.problem.records import Cost, SearchEpoch
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run

FIGURES = (
    *("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"),
    *("entropy", "skips", "free_share", "eigenvalue"),
)


@contextmanager
def epochs_told(
    run: Run, stage: str, epochs: int, progress: Progress, *, unit: str = "epochs"
) -> Iterator[OnEpoch]:
    """Inside, epochs that a loop tells are logged, unless the run knows them already, and shown."""
    known, best = len(run.epochs(stage)), 0.0

    def on_epoch(epoch: SearchEpoch) -> None:
        nonlocal best
        best = max(best, epoch.valid_accuracy)
        if epoch.epoch > known:
            run.epoch(stage, figures(epoch), cost=Cost.from_dict(epoch.cost))
        progress.advance(
            epoch.epoch,
            loss=epoch.train_loss,
            valid_accuracy=epoch.valid_accuracy,
            best_valid_accuracy=best,
        )

    progress.start(stage, epochs, unit)
    try:
        yield on_epoch
    finally:
        progress.finish()


def figures(epoch: SearchEpoch) -> Mapping[str, float]:
    """The figures of an epoch, for the run's log."""
    return {name: getattr(epoch, name) for name in FIGURES if getattr(epoch, name) is not None}
