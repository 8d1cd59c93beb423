from collections import Counter

import numpy as np
import pytest
from pymoo.operators.survival.rank_and_crowding.metrics import get_crowding_function
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.nsga2 import NSGA2, best_first, crowding

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(6))) for i in range(4)])
OBJECTIVES = (Objective("a", "min"), Objective("b", "min"))
PROBLEM = Problem(SPACE, OBJECTIVES, (Fidelity(1),))
NOTHING = Proposal(Architecture({}))


def ok(number, *losses):
    return Trial(number, NOTHING, "ok", losses)


def dominated_by(trials):
    """How many fronts lie before each trial, by the definition: peel off what nothing dominates."""
    left, level, found = set(range(len(trials))), 0, {}
    while left:
        front = {
            i for i in left
            if not any(
                all(x <= y for x, y in zip(trials[j].losses, trials[i].losses, strict=True))
                and trials[j].losses != trials[i].losses
                for j in left
            )
        }  # fmt: skip
        found |= dict.fromkeys(front, level)
        left, level = left - front, level + 1
    return found


def test_fronts_come_in_the_order_of_their_definition():
    rng = np.random.default_rng(0)
    trials = [ok(i, *map(float, rng.integers(8, size=2))) for i in range(40)]
    fronts = dominated_by(trials)
    order = [fronts[i] for i in best_first(trials)]
    assert order == sorted(order)
    assert len(set(order)) > 3


def test_crowding_by_hand():
    losses = np.array([[0.0, 10.0], [1.0, 5.0], [3.0, 4.0], [4.0, 0.0]])
    # between the neighbours of the second: 3 of 4 and 6 of 10; of the third: 3 of 4 and 5 of 10
    np.testing.assert_allclose(crowding(losses), [np.inf, 0.75 + 0.6, 0.75 + 0.5, np.inf])
    np.testing.assert_allclose(crowding(np.array([[1.0, 2.0]] * 3))[1], 0.0)  # no extent, no division by it


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_fronts_and_crowding_are_those_of_pymoo(seed, objectives):
    """Whose crowding distance is the mean over objectives, where ours, like the paper's, is the sum."""
    losses = np.random.default_rng(seed).random((60, objectives))
    fronts = NonDominatedSorting().do(losses)
    rank = {i: level for level, front in enumerate(fronts) for i in front.tolist()}
    order = best_first([ok(i, *row) for i, row in enumerate(losses.tolist())])
    assert [rank[i] for i in order] == sorted(rank.values())
    for front in fronts:
        theirs = get_crowding_function("cd").do(losses[front]) * objectives
        np.testing.assert_allclose(crowding(losses[front]), np.where(len(front) > 2, theirs, np.inf))


def test_on_a_front_the_lonely_come_first():
    trials = [ok(0, 0.0, 10.0), ok(1, 3.0, 4.0), ok(2, 1.0, 5.0), ok(3, 4.0, 0.0)]
    assert best_first(trials) == [0, 3, 2, 1]


def test_limits_come_before_fronts():
    over = [Trial(i, NOTHING, "infeasible", violation=v) for i, v in enumerate((0.5, 0.1, 0.5))]
    trials = [*over, ok(3, 9.0, 9.0), ok(4, 1.0, 1.0)]
    assert best_first(trials) == [4, 3, 1, 0, 2]


def two_sums(arch):
    """A front of its own: the two sums can't both be small."""
    values = np.array(list(arch.values()), float)
    return float(values[:2].sum() + abs(values[2] - 3)), float(10 - values[:2].sum() + values[3])


def test_nothing_comes_twice_and_the_front_is_found():
    strategy = NSGA2(PROBLEM, seed=0, population=20)
    every = {two_sums(arch) for arch in SPACE.enumerate()}
    front = {p for p in every if not any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in every)}
    asked = Counter()
    found = set()
    for number in range(300):
        (proposal,) = strategy.ask(1)
        asked[proposal.arch] += 1
        losses = two_sums(proposal.arch)
        found.add(losses)
        strategy.tell([Trial(number, proposal, "ok", losses)])
    assert set(asked.values()) == {1}
    assert len(front) == 11
    assert len(front & found) >= 10


def test_a_generation_waits_for_its_last_trial_but_not_for_their_order():
    one, other = (NSGA2(PROBLEM, seed=3, population=6) for _ in range(2))
    first = one.ask(10)
    assert len(first) == 6
    assert other.ask(6) == first
    trials = [Trial(i, p, "ok", two_sums(p.arch)) for i, p in enumerate(first)]
    one.tell(trials[:5])
    assert one.ask(1) == []
    one.tell(trials[5:])
    for trial in reversed(trials):
        other.tell([trial])
    assert one.ask(6) == other.ask(6) != []


def test_it_ends_with_the_space():
    small = Problem(SearchSpace([Decision("a", (0, 1, 2))]), (Objective("a", "min"),), (Fidelity(1),))
    strategy = NSGA2(small, population=2)
    values = []
    while proposals := strategy.ask(2):
        values += [p.arch["a"] for p in proposals]
        strategy.tell([Trial(len(values), p, "ok", (1.0,)) for p in proposals])
    assert sorted(values) == [0, 1, 2]


def test_a_population_of_one_is_refused():
    with pytest.raises(UsageError, match="at least 2 members, not 1"):
        NSGA2(PROBLEM, population=1)
