"""Any strategy over brief trainings (White et al. 2023, section 3 of https://arxiv.org/abs/2301.08727)."""

from pydantic import Field, field_validator

from nasturtium.core.settings import Settings
from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.pace import paced
from nasturtium.methods.training_search import TrainingSearch
from nasturtium.strategies.base import STRATEGIES


class BlackBoxSettings(Settings):
    """What proposes."""

    what = "search settings"

    strategy: str = Field(
        "auto",
        description="what proposes the architectures that are trained: auto (evolution in a space without"
        " end), asha, bohb, nsga2, …",
    )

    @field_validator("strategy")
    @classmethod
    def _known(cls, strategy: str) -> str:
        STRATEGIES.info(strategy)  # raises
        return strategy


SETTINGS = BlackBoxSettings()


@METHODS.register(
    "black-box",
    summary="any strategy proposes, each proposal is trained briefly, the best is kept",
    paper="https://arxiv.org/abs/2301.08727",
    abilities=["training", "limits"],
    settings=SETTINGS,
)
def black_box(task: Task) -> list[Stage]:
    """`--searching strategy=…` says what proposes; strategies over several fidelities begin with an epoch and
    continue what is promising (see `docs/strategies.md`).
    """
    return paced(BlackBoxSearch(task))


class BlackBoxSearch(TrainingSearch):
    """The search of a strategy that a person names.

    Raises `UsageError` for an unknown one, and for one that can't search the space.
    """

    def __init__(self, task: Task) -> None:
        self.settings = SETTINGS.changed(task.searching)
        endless = self.settings.strategy == "auto" and task.blueprint.space.unbounded
        super().__init__(task, STRATEGIES.get("evolution" if endless else self.settings.strategy))
