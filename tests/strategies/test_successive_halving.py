from nasturtium.strategies.random import RandomSearch
from nasturtium.strategies.successive_halving import SuccessiveHalving
from strategies.ladder import Player, problem


def test_the_best_third_of_a_third_by_hand():
    """Trial i has loss −i on the first rung; on the second the order turns round."""
    player = Player(SuccessiveHalving(problem(1, 3, 9)), lambda i, epochs: -i if epochs == 1 else i)
    assert player.step(9) == [(1, None)] * 9
    assert player.step(3) == [(3, 8), (3, 7), (3, 6)]
    assert player.step() == [(9, 9)]  # the first of those three
    assert player.step(10) == [(1, None)] * 9 + [(3, 21)]


def test_a_half_with_eta_two():
    player = Player(SuccessiveHalving(problem(1, 2, 4), eta=2), lambda i, epochs: i)
    assert player.step(7) == [(1, None)] * 4 + [(2, 0), (2, 1), (4, 4)]


def test_free_workers_begin_another_bracket_and_come_back():
    player = Player(SuccessiveHalving(problem(1, 3)), lambda i, epochs: i)
    assert player.ask(5) == [(1, None)] * 5  # three of the first bracket, two of the second
    player.tell([0, 1])
    assert player.ask(1) == [(1, None)]
    player.tell([2])
    assert player.ask(2) == [(3, 0), (1, None)]  # the promotion first, then the third bracket
    player.tell([4, 5, 3])
    assert player.ask(1) == [(3, 3)]


def test_with_one_fidelity_it_is_random_search():
    player = Player(SuccessiveHalving(problem(5)), lambda i, epochs: i)
    assert player.step(8) == [(5, None)] * 8
    assert [p.arch for p in player.asked] == [p.arch for p in RandomSearch(problem(5)).ask(8)]
