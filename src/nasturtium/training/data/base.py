"""What a source of images is, and the registry of the ones with a name."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from nasturtium.core.registry import Registry
from nasturtium.training.data.image_set import ImageSet, Splits
from nasturtium.training.data.split import make_splits


@dataclass(frozen=True, eq=False)
class Parts:
    """What a source supplies; a part it does not supply is cut from `train`."""

    train: ImageSet
    valid: ImageSet | None = None
    test: ImageSet | None = None


class DataSource(ABC):
    """Images from one place. A new source defines `name`, `mirror` and `_read`; images are read once, when
    needed.
    """

    name: str
    mirror: bool
    """Whether an image mirrored left-right is still an image of its class."""

    @abstractmethod
    def _read(self) -> Parts:
        """Read all images; `DataError` if they can't be used."""

    @cached_property
    def _parts(self) -> Parts:
        return self._read()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        return self._parts.train.input_shape

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their labels."""
        return self._parts.train.classes

    def splits(self, seed: int, *, valid_fraction: float = 0.5) -> Splits:
        """Search-train, search-validation, train and the sealed test part; `DataError` if a class is too
        small.
        """
        parts = self._parts
        return make_splits(parts.train, parts.valid, parts.test, seed=seed, valid_fraction=valid_fraction)


DATA: Registry[Callable[[], DataSource]] = Registry("training.data", "data set")
