from collections import Counter

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.dehb import ALONE, DEHB, crossed, mutant
from nasturtium.strategies.hyperband import Hyperband
from nasturtium.strategies.random import RandomSearch
from strategies.ladder import Player

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(8)), ordered=True) for i in range(5)])
LOSS = (Objective("loss", "min"),)


def problem(*epochs: int) -> Problem:
    return Problem(SPACE, LOSS, tuple(map(Fidelity, epochs)))


def test_mutants_are_a_point_and_a_scaled_difference():
    x1, x2, x3 = np.array([0.5, 0.2, 0.9]), np.array([0.6, 0.1, 0.8]), np.array([0.2, 0.3, 0.4])
    point = mutant(x1, x2, x3, 0.5, np.random.default_rng(0))
    assert point[:2].tolist() == pytest.approx([0.7, 0.1])  # 0.5 + 0.5·0.4, 0.2 − 0.5·0.2
    assert point[2] == np.random.default_rng(0).random(3)[2]  # 0.9 + 0.5·0.4 is outside


def test_children_take_coordinates_by_chance_and_one_in_any_case():
    target, mutated, rng = np.zeros(4), np.ones(4), np.random.default_rng(0)
    assert [crossed(target, mutated, 0.0, rng).sum() for _ in range(50)] == [1.0] * 50
    assert {int(crossed(target, mutated, 0.0, rng).argmax()) for _ in range(50)} == {0, 1, 2, 3}
    assert crossed(target, mutated, 1.0, rng).sum() == 4
    shares = np.mean([crossed(target, mutated, 0.5, rng) for _ in range(4000)], axis=0)
    assert shares == pytest.approx([1 / 4 + 3 / 4 / 2] * 4, abs=0.03)


def distance(proposal) -> float:
    return float(sum((value - 5) ** 2 for value in proposal.arch.values()))


def player(*epochs: int, seed: int = 0, **options: float) -> Player:
    made = Player(DEHB(problem(*epochs), seed=seed, **options), None)
    made.loss = lambda number, epochs: distance(made.asked[number])
    return made


def test_hyperbands_brackets_come_first():
    ours, plain = player(1, 3, 9), Player(Hyperband(problem(1, 3, 9)), None)
    plain.loss = lambda number, epochs: distance(plain.asked[number])
    assert ours.step(22) == plain.step(22)
    assert ours.asked == plain.asked
    assert [len(members) for members in ours.strategy._members] == [9, 5, 3]
    for rung, epochs in enumerate((1, 3, 9)):
        losses = sorted(distance(p) for p in ours.asked if p.fidelity.epochs == epochs)
        kept = sorted(member.trial.losses[0] for member in ours.strategy._members[rung])
        assert kept == losses[: len(kept)]


def test_then_as_many_children_are_made_on_the_rungs_of_its_brackets():
    ours = player(1, 3, 9)
    ours.step(22)
    for bracket in ({1: 9, 3: 3, 9: 1}, {3: 5, 9: 1}, {9: 3}):
        assert Counter(epochs for epochs, _ in ours.step(sum(bracket.values()))) == bracket


def test_parents_on_higher_rungs_are_the_best_of_the_rung_below():
    ours = player(1, 3, 9)
    ours.step(22)
    strategy = ours.strategy
    target = strategy._members[1][0]
    pool = strategy._pool(1, 3, target)
    ranked = sorted(strategy._members[0], key=lambda member: member.worth)
    assert pool == ranked[:3]
    assert target not in strategy._pool(1, None, target)
    assert set(strategy._pool(1, None, target)) == set(strategy._members[1]) - {target}
    few = strategy._pool(2, 1, strategy._members[2][0])
    assert few[0] == min(strategy._members[1], key=lambda member: member.worth)
    assert len(set(few)) == 3


def test_a_child_takes_the_place_of_its_target_unless_it_is_worse():
    ours = player(1)
    ours.step(ALONE)
    members = ours.strategy._members[0]
    assert len(members) == ALONE
    for number in range(ALONE, 3 * ALONE):
        ours.ask()
        place = ours.strategy._targets[number]
        before = members[place]
        ours.tell([number])
        better = distance(ours.asked[number]) <= before.trial.losses[0]
        assert (members[place].trial.id == number) == better


def test_what_has_a_result_is_not_trained_again_and_shorter_trainings_are_continued():
    ours = player(1, 3, 9)
    ours.step(150)
    seen = Counter((p.arch, p.fidelity) for p in ours.asked)
    assert set(seen.values()) == {1}
    later = ours.asked[22:]
    assert any(p.parent is not None for p in later)
    for p in later:
        shorter = [q.fidelity.epochs for q in ours.asked if q.arch == p.arch]
        had = None if p.parent is None else ours.asked[p.parent].fidelity.epochs
        assert (had is None) == (min(shorter) == p.fidelity.epochs)


def test_the_space_ends():
    small = Problem(SearchSpace([Decision("a", (0, 1, 2)), Decision("b", (0, 1))]), LOSS, (Fidelity(1),))
    ours = Player(DEHB(small), lambda number, epochs: float(number))
    ours.step(6)
    assert len({p.arch for p in ours.asked}) == 6
    assert ours.ask() == []


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"crossing": 1.5}, {"eta": 1}])
def test_senseless_numbers_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DEHB(problem(1, 3), **wrong)


def test_with_one_fidelity_evolution_still_beats_random_search():
    def best(proposals) -> float:
        return min(map(distance, proposals))

    def found(seed: int) -> float:
        ours = player(1, seed=seed)
        ours.step(120)
        return best(ours.asked)

    gain = np.array([best(RandomSearch(problem(1), seed=s).ask(120)) - found(s) for s in range(8)])
    assert gain.mean() > 2 * gain.std(ddof=1) / 8**0.5
