import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.evolution import RegularizedEvolution

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(50))) for i in range(6)])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))


def differences(a, b):
    return sum(a[name] != b[name] for name in a)


def evolution(population, draws):
    strategy = RegularizedEvolution(PROBLEM, population=population, sample=1)
    strategy._sample = draws  # more than the population, so that a sample surely holds everyone
    return strategy


def evolve(losses, *, population, draws, status=lambda number: "ok"):
    """The architectures asked for, one after the other; trial `i` gets `losses(i)`."""
    strategy = evolution(population, draws)
    asked = []
    for number in range(40):
        (proposal,) = strategy.ask(1)
        asked.append(proposal.arch)
        kind = status(number)
        strategy.tell([Trial(number, proposal, kind, (losses(number),) if kind == "ok" else ())])
    return asked


def test_the_oldest_of_the_population_dies_however_good_it_is():
    """Each child's parent is the best, that is the oldest, of the last five."""
    asked = evolve(float, population=5, draws=400)  # the first is the best of all
    for child in range(5, 40):
        assert differences(asked[child - 5], asked[child]) == 1


def test_the_sample_picks_the_parent_and_not_the_dead():
    """Samples of one: every member of the population becomes a parent, the worst too."""
    asked = evolve(float, population=4, draws=1)
    ages = {
        age
        for child in range(4, 40)
        for age in range(1, 5)
        if differences(asked[child - age], asked[child]) == 1
    }
    assert ages == {1, 2, 3, 4}


def test_it_begins_with_random_architectures_and_failures_do_not_count():
    asked = evolve(float, population=6, draws=3, status=lambda n: "failed" if n % 2 else "ok")
    assert all(differences(asked[i], asked[j]) > 1 for i in range(11) for j in range(i))
    assert all(any(differences(a, asked[child]) == 1 for a in asked[:child:2]) for child in range(11, 40))


def test_limits_come_before_losses():
    """Only trial 2 keeps the limit; as long as it lives it is everyone's parent."""
    strategy = evolution(population=30, draws=1000)
    asked = strategy.ask(30)
    trials = [
        Trial(i, p, "ok", (9.0,)) if i == 2 else Trial(i, p, "infeasible", violation=0.01 * (i + 1))
        for i, p in enumerate(asked)
    ]
    strategy.tell(trials)
    children = strategy.ask(20)
    assert all(differences(asked[2].arch, child.arch) == 1 for child in children)


def test_a_sample_larger_than_the_population_is_refused():
    with pytest.raises(UsageError, match=r"1 to population \(5\) members, not 6"):
        RegularizedEvolution(PROBLEM, population=5, sample=6)
