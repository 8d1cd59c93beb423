"""What all trainings of a supernet are: batches in, epochs out, and no epoch lost to a kill."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from lightning_fabric import Fabric

from nasturtium.core.errors import UsageError
from nasturtium.core.seeds import seed_for
from nasturtium.oneshot.epochs import OnEpoch, run_epochs
from nasturtium.oneshot.feed import Feed
from nasturtium.oneshot.settings import WeightSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import place

S = TypeVar("S", bound=WeightSettings)
Outcome = TypeVar("Outcome")


class Training(ABC, Generic[S, Outcome]):
    """Trains a supernet on search-train and search-valid images.

    Same seed, same machine: same result, also when interrupted and resumed from checkpoints. Trainings with
    another `name` draw other batches from the same seed; an epoch has `valid_steps` batches of search-valid
    images (None: as many as of search-train). Raises `UsageError` for a network without weights.
    """

    name: ClassVar[str]
    valid_steps: ClassVar[int | None] = None

    def __init__(self, supernet: Supernet, settings: S, *, fabric: Fabric, seed: int) -> None:
        place(supernet, fabric.device)
        self._supernet = supernet
        self._weights = supernet.weights()
        if not self._weights:
            raise UsageError("the network of this space has no weights to train")
        self._settings = settings
        self._fabric = fabric
        self._seed = seed

    def run(
        self,
        train: ImageSet,
        valid: ImageSet,
        *,
        steps: int | None = None,
        checkpoints: Checkpoints | None = None,
        on_epoch: OnEpoch = lambda _: None,
    ) -> Outcome:
        """Train for the settings' number of epochs, of `steps` steps each (None: one pass over `train`).

        `on_epoch` is told every epoch, after its checkpoint is safe; on resuming the earlier ones are told
        again. Raises `Diverged` if a loss is not finite.
        """
        self.feed(train, valid, steps=steps)
        curve = run_epochs(
            self,
            self._settings.epochs,
            seed=seed_for(self._seed, self.name),
            checkpoints=checkpoints,
            on_epoch=on_epoch,
            enough=self.enough,
        )
        return self.outcome(curve)

    def feed(self, train: ImageSet, valid: ImageSet, *, steps: int | None) -> None:
        """Take batches from these images from now on, `steps` to an epoch (None: one pass over `train`)."""
        self._feed = Feed(
            train,
            valid,
            self._settings,
            seed=self._seed,
            name=self.name,
            device=self._fabric.device,
            steps=steps,
            valid_steps=self.valid_steps,
        )

    @abstractmethod
    def epoch(self, number: int) -> SearchEpoch:
        """The next epoch, the first being 1; raises `Diverged`."""

    def enough(self, curve: Sequence[SearchEpoch]) -> bool:
        """Whether the training ends after these epochs, before all that were planned."""
        return False

    @abstractmethod
    def outcome(self, curve: Sequence[SearchEpoch]) -> Outcome:
        """What the training ends with, after its last epoch."""

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; subclasses add what is theirs."""
        return {"supernet": self._supernet.state_dict(), "feed": self._feed.state()}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._supernet.load_state_dict(state["supernet"])
        self._feed.load_state(state["feed"])
