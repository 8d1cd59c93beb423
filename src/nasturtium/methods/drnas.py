"""DrNAS: learn a distribution of mixtures (Chen et al. 2021, https://arxiv.org/abs/2006.10355)."""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.penalties import Anchor
from nasturtium.oneshot.relaxations.dirichlet import Dirichlet
from nasturtium.oneshot.settings import BilevelSettings

SETTINGS = BilevelSettings(alpha_weight_decay=0.0)


@METHODS.register(
    "drnas",
    summary="DARTS with mixtures drawn from a Dirichlet distribution that is learned",
    paper="https://arxiv.org/abs/2006.10355",
    abilities=["mixture"],
    settings=SETTINGS,
)
def drnas(task: Task) -> list[Stage]:
    """The anchor takes the place of the decay of α.

    Without the authors' progressive learning, which widens a part of the channels and drops operations.
    """
    anchor = Anchor(1e-3)
    return paced(GradientSearch(task, Dirichlet(), FirstOrder(), penalties=[anchor], settings=SETTINGS))
