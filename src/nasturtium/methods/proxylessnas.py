"""ProxylessNAS: single paths, whose gates learn two at a time or by policy gradient (Cai et al. 2019,
https://arxiv.org/abs/1812.00332).

The step sizes, ten paths a step of the policy, and weights trained alone for 40 of 160 epochs are those of
the authors' code (https://github.com/mit-han-lab/proxylessnas). There costs count relative to a target, here
relative to the average architecture, so that `cost_weight` needs no unit: it is the λ of the paper's equation
for latency and, for the policy, the exponent of the cost in the reward, 0.1 in the authors' code. The policy
has no cost unless one is asked for, since it can search spaces whose costs are no sums.
"""

from nasturtium.methods.base import METHODS, Stage, Task
from nasturtium.methods.cost_search import CostSearch, CostSettings, costed
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.penalties import AddedCost
from nasturtium.oneshot.policy_gradient import AccuracyAtCost, PolicyGradient
from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.relaxations.policy import Policy

PAPER = "https://arxiv.org/abs/1812.00332"
POLICY_SETTINGS = CostSettings(
    alpha_learning_rate=1e-3, alpha_momentum=0.0, alpha_weight_decay=0.0, warmup=0.25
)
SETTINGS = POLICY_SETTINGS.changed({"cost_weight": 0.1})


@METHODS.register(
    "proxylessnas",
    summary="binary gates on two sampled paths, and the expected cost",
    paper=PAPER,
    abilities=["mixture"],
    settings=SETTINGS,
)
def proxylessnas(task: Task) -> list[Stage]:
    """Weights learn on one sampled path, the architecture on two."""
    search = CostSearch(
        task,
        Binary(),
        FirstOrder(),
        lambda table, weight: (FirstOrder(), [AddedCost(table, weight)]),
        settings=SETTINGS,
    )
    return costed(task, search)


@METHODS.register(
    "proxylessnas-rl",
    summary="sampled paths, rewarded by accuracy and cost (REINFORCE)",
    paper=PAPER,
    abilities=["path"],
    settings=POLICY_SETTINGS,
)
def proxylessnas_rl(task: Task) -> list[Stage]:
    """Weights learn on one sampled path, the architecture from the rewards of several; needs no mixtures."""
    policy = Policy(task.blueprint.space)
    search = CostSearch(
        task,
        policy,
        PolicyGradient(policy),
        lambda table, weight: (PolicyGradient(policy, AccuracyAtCost(table, weight)), []),
        settings=POLICY_SETTINGS,
    )
    return costed(task, search)
