"""FBNet: a mixture of sampled weights, and a loss that grows with the expected cost (Wu et al. 2019,
https://arxiv.org/abs/1812.03443).

The paper's cost is the latency of a phone; here it is what `cost` says, multiply-adds unless changed, and the
mean over all architectures by their probabilities instead of that of one sample. `cost_weight` is the
exponent β. The architecture waits for the first 10 of 90 epochs.
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.cost_search import CostSearch, CostSettings, costed
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.penalties import MultipliedCost
from nasturtium.oneshot.relaxations.gumbel import Gumbel

SETTINGS = CostSettings(
    alpha_learning_rate=0.01,
    alpha_momentum=0.9,
    alpha_weight_decay=5e-4,
    warmup=10 / 90,
    cost_weight=0.6,
)


@METHODS.register(
    "fbnet",
    summary="a mixture of sampled weights, and a loss that grows with the expected cost",
    paper="https://arxiv.org/abs/1812.03443",
    abilities=["mixture"],
    settings=SETTINGS,
)
def fbnet(task: Task) -> list[Stage]:
    """Weights and architecture take turns, on different images."""
    search = CostSearch(
        task,
        Gumbel(),
        FirstOrder(),
        lambda table, weight: (FirstOrder(), [MultipliedCost(table, weight)]),
        settings=SETTINGS,
    )
    return costed(task, search)
