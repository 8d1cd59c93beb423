from collections import Counter
from itertools import pairwise

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.genetic import Genetic, chances

SPACE = SearchSpace([Decision(f"{cell}/{i}", tuple(range(90))) for cell in "ab" for i in range(4)])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))


def generation(strategy, losses, first=0):
    """Asks for a whole generation and tells these losses (None: it failed)."""
    asked = strategy.ask(100)
    for i, (proposal, loss) in enumerate(zip(asked, losses, strict=True), first):
        failed = loss is None
        strategy.tell([Trial(i, proposal, "failed" if failed else "ok", () if failed else (loss,))])
    return [proposal.arch for proposal in asked]


def shared(child, parent):
    return {name for name in child if child[name] == parent[name]}


def test_children_take_their_decisions_from_the_fit():
    strategy = Genetic(PROBLEM, population=40, rivals=400, elite=0)
    first = generation(strategy, [float(i) for i in range(40)])
    assert all(len(shared(child, first[0])) >= 2 for child in generation(strategy, [0.0] * 40))


@pytest.mark.parametrize("kind", ["uniform", "single-point", "cell"])
def test_children_cross_as_asked(kind):
    """How often a child changes sides from one decision to the next."""
    strategy = Genetic(PROBLEM, population=2, elite=0, rivals=1, crossover=kind, crossing=1.0)
    mother, father = generation(strategy, [0.0, 0.0])
    strategy.ask(1)  # which makes them parents
    changes = []
    for child in (strategy._child()[0] for _ in range(300)):
        from_mother = [child[n] == mother[n] for n in SPACE.decisions if child[n] in (mother[n], father[n])]
        changes.append(sum(a != b for a, b in pairwise(from_mother)))
    often = sum(n > 1 for n in changes) / len(changes)  # a mutation may meet the other parent's option
    assert often > 0.25 if kind == "uniform" else often < 0.05
    assert 1 in changes


def test_the_elite_stays_until_it_is_beaten():
    strategy = Genetic(PROBLEM, population=6, elite=1, rivals=400, crossing=0.0)
    first = generation(strategy, [5.0, 1.0, 5.0, 5.0, 5.0, 5.0])
    for losses in ([2.0] * 6, [0.5, 3.0, 3.0, 3.0, 3.0, 3.0]):
        children = generation(strategy, losses, first=10)
        assert sum(len(shared(child, first[1])) >= 2 for child in children) == 6
    beaten = generation(strategy, [9.0] * 6, first=30)
    assert all(len(shared(child, children[0])) >= 2 for child in beaten)


def test_without_an_elite_it_is_forgotten():
    strategy = Genetic(PROBLEM, population=6, elite=0, rivals=400, crossing=0.0)
    generation(strategy, [5.0, 1.0, 5.0, 5.0, 5.0, 5.0])
    second = generation(strategy, [2.0] + [3.0] * 5, first=10)
    assert all(len(shared(child, second[0])) >= 2 for child in generation(strategy, [0.0] * 6))


def trial(number, loss=None, violation=0.0):
    (proposal,) = Genetic(PROBLEM, seed=number).ask(1)
    if loss is None:
        return Trial(number, proposal, "infeasible", violation=violation)
    return Trial(number, proposal, "ok", (loss,))


def test_shares_of_the_roulette_wheel():
    assert chances([trial(0, 1.0), trial(1, 3.0), trial(2, 4.0)]).tolist() == pytest.approx([3 / 4, 1 / 4, 0])
    assert chances([trial(0, 1.0), trial(1, None, 0.1), trial(2, 2.0)]).tolist() == [1, 0, 0]
    assert chances([trial(0, None, 0.2), trial(1, None, 0.1)]).tolist() == [0.5, 0.5]
    assert chances([trial(0, 7.0), trial(1, 7.0)]).tolist() == [0.5, 0.5]


def test_roulette_draws_parents_by_their_shares():
    strategy = Genetic(PROBLEM, selection="roulette", seed=1)
    parents = [trial(0, 1.0), trial(1, 3.0), trial(2, 4.0)]
    drawn = Counter(strategy.parent(parents).id for _ in range(2000))
    assert abs(drawn[0] - 1500) < 4 * (2000 * 3 / 16) ** 0.5
    assert drawn[0] + drawn[1] == 2000


def test_failed_trials_have_no_children():
    strategy = Genetic(PROBLEM, population=4, elite=0, rivals=1, crossing=0.0)
    first = generation(strategy, [None, None, 3.0, None])
    assert all(len(shared(child, first[2])) >= 2 for child in generation(strategy, [0.0] * 4))


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"population": 1}, "at least 2 members"),
        ({"selection": "wheel"}, "tournament or roulette, not 'wheel'"),
        ({"elite": -1}, "0 or more"),
        ({"rivals": 0}, "1 or more"),
        ({"crossing": 1.5}, "from 0 to 1"),
    ],
)
def test_senseless_numbers_are_refused(options, why):
    with pytest.raises(UsageError, match=why):
        Genetic(PROBLEM, **options)


def test_roulette_for_several_objectives_is_refused():
    two = Problem(SPACE, (Objective("loss", "min"), Objective("size", "min")), (Fidelity(1),))
    Genetic(two)
    with pytest.raises(UsageError, match="one objective"):
        Genetic(two, selection="roulette")
