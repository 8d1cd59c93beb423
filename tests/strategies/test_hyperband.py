from collections import Counter

from nasturtium.strategies.hyperband import Hyperband
from strategies.ladder import Player, problem

BRACKETS = [  # n_i at r_i for R = 81 and eta = 3: s from 4 to 0, by algorithm 1 of the paper
    {1: 81, 3: 27, 9: 9, 27: 3, 81: 1},
    {3: 34, 9: 11, 27: 3, 81: 1},
    {9: 15, 27: 5, 81: 1},
    {27: 8, 81: 2},
    {81: 5},
]


def test_its_brackets_are_those_of_the_paper():
    strategy = Hyperband(problem(1, 3, 9, 27, 81))
    for number, bracket in enumerate(BRACKETS * 2):
        assert list(strategy.sizes(number)) == list(bracket.values())


def test_it_runs_them_one_after_the_other():
    player = Player(Hyperband(problem(1, 3, 9, 27, 81)), lambda i, epochs: (i * 7919) % 101)
    for bracket in [*BRACKETS, BRACKETS[0]]:
        found = player.step(sum(bracket.values()))
        assert Counter(epochs for epochs, _ in found) == bracket
        lowest = min(bracket)
        assert all((parent is None) == (epochs == lowest) for epochs, parent in found)


def test_the_best_of_each_rung_go_on():
    losses = {i: float((i * 37) % 64) for i in range(200)}
    player = Player(Hyperband(problem(1, 3, 9)), lambda i, epochs: losses[i])
    player.step(9)
    ranked = sorted(range(9), key=losses.get)
    assert player.step(3) == [(3, i) for i in ranked[:3]]
    assert player.step(1) == [(9, min((9, 10, 11), key=losses.get))]
    assert player.step(5) == [(3, None)] * 5  # ⌈3/2 · 3⌉
    assert player.step(1) == [(9, min(range(13, 18), key=losses.get))]
    assert player.step(3) == [(9, None)] * 3
