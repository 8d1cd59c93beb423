from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.age_fitness import AgeFitness

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(90))) for i in range(8)])
PROBLEM = Problem(SPACE, (Objective("loss", "min"),), (Fidelity(1),))


def generation(strategy: AgeFitness, losses, first: int) -> list[Trial]:
    trials = [
        Trial(first + i, p, "ok", (x,)) for i, (p, x) in enumerate(zip(strategy.ask(99), losses, strict=True))
    ]
    strategy.tell(trials)
    return trials


def shared(one: Trial, other: Trial) -> int:
    a, b = one.proposal.arch, other.proposal.arch
    return sum(a[name] == b[name] for name in a)


def aged(strategy: AgeFitness) -> dict[int, int]:
    """The ages of those that live, by trial."""
    strategy.ask(1)  # which ends the generation
    return {trial.id: strategy._age[trial.id] for trial in strategy._parents}


def test_each_generation_begins_with_a_stranger_and_goes_on_with_children():
    strategy = AgeFitness(PROBLEM, population=5)
    first = generation(strategy, [5.0, 4.0, 3.0, 2.0, 1.0], 0)
    stranger, *children = generation(strategy, [9.0] * 5, 5)
    assert max(shared(stranger, old) for old in first) <= 2
    assert all(max(shared(child, old) for old in first) >= 3 for child in children)


def test_all_that_live_grow_older_and_children_are_as_old_as_their_oldest_parent():
    strategy = AgeFitness(PROBLEM, population=4, crossing=0.0)
    generation(strategy, [1.0] * 4, 0)
    assert aged(strategy) == dict.fromkeys(range(4), 1)
    strategy = AgeFitness(PROBLEM, population=4, crossing=0.0)
    generation(strategy, [1.0] * 4, 0)
    generation(strategy, [5.0, 0.5, 0.5, 0.5], 4)
    ages = aged(strategy)
    assert ages[4] == 1  # the stranger is the worst of all, and the youngest
    assert set(ages.values()) == {1, 2}
    assert set(ages) == {4, 5, 6, 7}


def test_of_an_age_the_fittest_live_and_limits_come_first():
    strategy = AgeFitness(PROBLEM, population=3)
    generation(strategy, [3.0, 1.0, 2.0], 0)
    asked = strategy.ask(3)
    strategy.tell(
        [
            Trial(3, asked[0], "infeasible", violation=0.1),
            Trial(4, asked[1], "infeasible", violation=0.2),
            Trial(5, asked[2], "ok", (0.5,)),
        ]
    )
    living = aged(strategy)
    assert 4 not in living  # as old as others that keep the limit
    assert 5 in living


def living(ages, losses, size) -> set[int]:
    """Who survives of trials of these ages and losses."""
    strategy = AgeFitness(PROBLEM, population=size)
    asked = AgeFitness(PROBLEM, population=20).ask(len(ages))
    trials = [Trial(i, p, "ok", (loss,)) for i, (p, loss) in enumerate(zip(asked, losses, strict=True))]
    strategy._age = dict(enumerate(ages))
    return {trial.id for trial in strategy.survivors([], trials)}


def test_the_dominated_die_and_where_nobody_is_the_fittest_stay():
    assert living([0, 1, 2, 3], [4.0, 3.0, 2.0, 1.0], size=2) == {2, 3}
    assert living([0, 1, 2, 3], [4.0, 3.0, 2.0, 2.5], size=3) == {0, 1, 2}
    assert living([5, 5, 0], [1.0, 2.0, 9.0], size=2) == {0, 2}
    assert living([1, 1], [1.0, 1.0], size=2) == {0, 1}
