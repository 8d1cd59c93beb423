"""DARTS with implicit gradients (Lorraine et al. 2020, https://arxiv.org/abs/1911.02590; for architecture
search Zhang et al. 2021, https://arxiv.org/abs/2106.10784).
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.gradient_search import DARTS_SETTINGS, GradientSearch
from nasturtium.methods.pace import paced
from nasturtium.oneshot.neumann import Neumann
from nasturtium.oneshot.relaxations.softmax import Softmax

TERMS = 3  # each costs as much as a pass
RATE = 0.01  # below the weights' own, so that the series does not explode where the loss is steep


@METHODS.register(
    "darts-implicit",
    summary="DARTS whose gradient knows how the best weights follow the architecture",
    paper="https://arxiv.org/abs/2106.10784",
    abilities=["mixture"],
    settings=DARTS_SETTINGS,
)
def darts_implicit(task: Task) -> list[Stage]:
    """As `darts`, with the architecture's gradient by the implicit function theorem."""
    return paced(GradientSearch(task, Softmax(), Neumann(TERMS, RATE)))
