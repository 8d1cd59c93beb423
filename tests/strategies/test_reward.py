from collections import Counter

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Limit, Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Measurement, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.ppo import PPO
from nasturtium.strategies.reinforce import Reinforce
from nasturtium.strategies.reward import HARD, WeightedProduct

SPACE = SearchSpace([Decision("arm", ("slow", "fast", "bad"))])
METRICS = {  # the most accurate is twice as slow as allowed
    "slow": {"accuracy": 0.90, "latency": 160.0},
    "fast": {"accuracy": 0.60, "latency": 80.0},
    "bad": {"accuracy": 0.10, "latency": 1.0},
}


def test_the_soft_reward_is_the_papers():
    reward = WeightedProduct("accuracy", "latency", target=80.0)
    assert reward({"accuracy": 0.75, "latency": 80.0}) == 0.75
    assert reward({"accuracy": 0.75, "latency": 160.0}) == pytest.approx(0.75 * 2**-0.07, rel=1e-12)
    assert reward({"accuracy": 0.75, "latency": 40.0}) == pytest.approx(0.75 * 2**0.07, rel=1e-12)
    # the paper's own reading of w: twice the latency is worth about 5 % of accuracy
    assert reward({"accuracy": 1.05, "latency": 2.0}) == pytest.approx(
        reward({"accuracy": 1.0, "latency": 1.0}), rel=2e-3
    )


def test_the_hard_reward_is_the_papers():
    reward = WeightedProduct("accuracy", "latency", target=80.0, exponents=HARD)
    assert reward({"accuracy": 0.75, "latency": 80.0}) == 0.75
    assert reward({"accuracy": 0.75, "latency": 1.0}) == 0.75
    assert reward({"accuracy": 0.75, "latency": 100.0}) == pytest.approx(0.75 * 80 / 100, rel=1e-12)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ({"accuracy": 0.5}, "'latency' was not measured"),
        ({"accuracy": -0.5, "latency": 1.0}, "value of 0 or more"),
        ({"accuracy": 0.5, "latency": 0.0}, "cost above 0"),
    ],
)
def test_what_has_no_product_is_refused(metrics, message):
    with pytest.raises(UsageError, match=message):
        WeightedProduct("accuracy", "latency", target=80.0)(metrics)


def test_senseless_products_are_refused():
    with pytest.raises(UsageError, match="target of 'latency'"):
        WeightedProduct("accuracy", "latency", target=0.0)
    with pytest.raises(UsageError, match="exponents are 0 or less"):
        WeightedProduct("accuracy", "latency", target=1.0, exponents=(0.07, -1.0))


def arms(strategy, *, trials=200, over=()):
    """How often each arm was among the last 50."""
    pulled = []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        pulled.append(proposal.arch["arm"])
        metrics = METRICS[pulled[-1]]
        if pulled[-1] in over:
            strategy.tell([Trial(number, proposal, "infeasible", violation=1.0)])
        else:
            losses = strategy.problem.losses(metrics)
            strategy.tell([Trial(number, proposal, "ok", losses, Measurement(metrics))])
    return Counter(pulled[-50:])


@pytest.mark.parametrize(("target", "best"), [(80.0, "fast"), (200.0, "slow")])
@pytest.mark.parametrize("make", [Reinforce, PPO])
def test_the_controller_maximises_the_reward_of_several_objectives(make, target, best):
    """Which arm is the best depends on what is beyond the target."""
    objectives = (Objective("accuracy", "max"), Objective("latency", "min"))
    problem = Problem(SPACE, objectives, (Fidelity(1),))
    reward = WeightedProduct("accuracy", "latency", target=target, exponents=HARD)
    assert arms(make(problem, learning_rate=0.02, reward=reward))[best] > 40


def test_a_limit_stays_a_limit():
    """What is over it has no metrics, and earns less than anything within."""
    problem = Problem(SPACE, (Objective("accuracy", "max"),), (Fidelity(1),), (Limit("latency", 100.0),))
    reward = WeightedProduct("accuracy", "latency", target=80.0)
    assert arms(Reinforce(problem, learning_rate=0.02, reward=reward), over=("slow",))["slow"] < 5
