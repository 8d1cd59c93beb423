from nasturtium.strategies.asha import ASHA
from strategies.ladder import Player, problem


def test_promotions_on_a_hand_worked_table():
    """Losses of trials in the order in which they are begun; eta is 3, rungs are 1, 3 and 9 epochs."""
    losses = [0.5, 0.4, 0.6, 0.35, 0.3, 0.7, 0.2, 0.8, 0.1, 0.3, 0.25, 0.9, 0.15]
    player = Player(ASHA(problem(1, 3, 9)), lambda i, epochs: losses[i])
    assert player.step(3) == [(1, None)] * 3  # a third of two results is none
    assert player.step() == [(3, 1)]  # 1 leads 0, 1, 2; this is trial 3
    assert player.step() == [(1, None)]  # 1 is promoted, and no other is in the first third
    # the first rung: 4 (0.3), 1, 0, 2: the leader is new
    assert player.step() == [(3, 4)]
    # the second rung has 3 (0.35) and 5 (0.7): a third of two is none
    assert player.step() == [(1, None)]  # trial 6
    assert player.step() == [(3, 6)]  # 6 (0.2) leads five; trial 7, loss 0.8
    # now three on the second rung: 3 (0.35), 5 (0.7), 7 (0.8): the highest rung comes first
    assert player.step() == [(9, 3)]
    # the first rung: 6, 4, 1, 0, 2: one of five, and it is promoted
    assert player.step() == [(1, None)]  # trial 9 (0.3); two of six: 6 and 4, both promoted
    assert player.step() == [(1, None)]  # trial 10 (0.25); 6, 10 of seven: 10 is new
    assert player.step() == [(3, 10)]


def test_it_does_not_wait_and_takes_results_in_any_order():
    player = Player(ASHA(problem(1, 3, 9)), lambda i, epochs: float(i))
    assert player.ask(4) == [(1, None)] * 4
    player.tell([3, 1])
    assert player.ask(1) == [(1, None)]
    player.tell([2])
    assert player.ask(2) == [(3, 1), (1, None)]  # of 1, 2, 3 the first
    player.tell([0])
    assert player.ask(1) == [(3, 0)]  # it leads now, though 1 was promoted before it


def test_failures_count_as_results_and_are_not_promoted():
    player = Player(ASHA(problem(1, 3)), lambda i, epochs: None if i in (0, 1, 2, 3, 4) else 1.0)
    assert player.step(5) == [(1, None)] * 5
    assert player.step() == [(1, None)]  # trial 5 is ok: the first of six, of which two could go on
    assert player.step() == [(3, 5)]
    assert player.step() == [(1, None)]


def test_the_end_of_the_space():
    player = Player(ASHA(problem(1, 3, size=4)), lambda i, epochs: float(i))
    assert player.step(5) == [(1, None)] * 3 + [(3, 0), (1, None)]
    assert player.ask(3) == []
