"""What a method is: a short list of stages that end with an architecture."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lightning_fabric import Fabric

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.core.registry import Registry
from nasturtium.modules.blueprint import Blueprint
from nasturtium.problem.objectives import Limit
from nasturtium.study.budget import Budget
from nasturtium.study.progress import Progress
from nasturtium.study.run import Run
from nasturtium.training.data.image_set import Splits
from nasturtium.training.settings import TrainSettings

Json = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """What is to be searched, with what. `budget` is the search's own part.

    `blueprint` is the network at its search size, `final` the same space at the size that is trained in the
    end. `training` are the final training's settings, `searching` what a person changed about the search.
    `sizes` are those of `blueprint` by name, none where it is a person's own; `resized` makes it at others.
    The final network must keep the `limits`.
    """

    blueprint: Blueprint
    final: Blueprint
    splits: Splits
    training: TrainSettings
    searching: Json
    budget: Budget
    fabric: Fabric
    seed: int
    mirror: bool
    sizes: Mapping[str, int] = field(default_factory=dict)
    resized: Callable[[Mapping[str, int]], Blueprint] | None = None
    limits: tuple[Limit, ...] = ()


class Stage(Protocol):
    """A part of a search. Finished stages are kept in the run and not repeated; a killed one is run again."""

    name: str

    def run(self, run: Run, progress: Progress) -> Json:
        """What the stage found.

        The last stage of a method gives `architecture` and, if it has one, `curve`.
        """


Method = Callable[[Task], Sequence[Stage]]

METHODS: Registry[Method] = Registry("methods", "method")
"""Each has one of the abilities `mixture` (runs several options of a decision at once), `path` (trains single
paths of a supernet) and `training` (trains each architecture by itself), which decide what it can search, and
`limits` if it can keep limits on the final network. Its `settings` are what `--searching` may change.
"""

SEARCHABLE: Mapping[str, str] = {
    "mixture": "spaces whose options can run together: operations, inputs and depths, but no sizes of layers",
    "path": "spaces whose architectures are paths of one supernet: operations, inputs, depths and sizes",
    "training": "any space, and training settings with it (--search-setting)",
}
"""What methods of an ability can search, in words; some leave out a few spaces, which they refuse by name."""


def stages_of(method: str, task: Task) -> Sequence[Stage]:
    """The stages of a search by `method`.

    Raises `CannotSearch`, with the methods that can, for a space that this one can't search, and other
    `UsageError`s for what makes no sense here.
    """
    try:
        return METHODS.get(method)(task)
    except CannotSearch as error:
        plain = replace(task, searching={})  # settings are each method's own
        raise refused(method, str(error), error.others, lambda other: _searches(other, plain)) from None


def refused(
    method: str, reason: str, others: Collection[str], can: Callable[[str], bool] = lambda _: True
) -> CannotSearch:
    """An error that tells why a method can't, and which methods with one of the abilities `others` `can`."""
    able = [n for n in METHODS.names() if not METHODS.info(n).abilities.isdisjoint(others)]
    instead = ", ".join(n for n in able if n != method and can(n))
    return CannotSearch(f"{reason}. Methods to try instead: {instead}")


def _searches(method: str, task: Task) -> bool:
    try:
        METHODS.get(method)(task)
    except UsageError:
        return False
    return True
