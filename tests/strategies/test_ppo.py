from collections import Counter

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.ppo import PPO

SPACE = SearchSpace([Decision("arm", ("a", "b", "c"))])
PROBLEM = Problem(SPACE, (Objective("reward", "max"),), (Fidelity(1),))
LOSSES = {"a": 0.5, "b": -0.5, "c": 0.0}


def pull(strategy: PPO, trials: int, *, fails: str = "") -> list[str]:
    arms = []
    for number in range(trials):
        (proposal,) = strategy.ask(1)
        arms.append(proposal.arch["arm"])
        failed = arms[-1] == fails
        losses = () if failed else (LOSSES[arms[-1]],)
        strategy.tell([Trial(number, proposal, "failed" if failed else "ok", losses)])
    return arms


def test_it_finds_the_best_arm():
    assert Counter(pull(PPO(PROBLEM), 200)[-50:])["b"] > 40


def test_it_learns_only_from_whole_batches_without_failures():
    strategy = PPO(PROBLEM, batch=8)
    weights = [p.clone() for p in strategy._controller.policy.parameters()]

    def changed() -> bool:
        now = strategy._controller.policy.parameters()
        return any((a != b).any() for a, b in zip(weights, now, strict=True))

    number, told = 0, 0
    while told < 8:
        assert not changed()
        (proposal,) = strategy.ask(1)
        failed = proposal.arch["arm"] == "a"
        strategy.tell(
            [Trial(number, proposal, "failed" if failed else "ok", () if failed else (float(told),))]
        )
        number, told = number + 1, told + (not failed)
    assert changed()
    assert strategy._told == []


@pytest.mark.parametrize("options", [{"batch": 0}, {"steps": 0}, {"clip": 0.0}, {"clip": 1.5}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="ppo takes"):
        PPO(PROBLEM, **options)


def test_several_objectives_are_refused():
    with pytest.raises(UsageError, match="one objective"):
        PPO(Problem(SPACE, (Objective("a", "min"), Objective("b", "min")), (Fidelity(1),)))
