import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.records import Measurement, Trial
from nasturtium.strategies.pasha import PASHA, noise, same_ranking
from strategies.ladder import Player, problem


def test_rankings_may_differ_by_epsilon():
    assert same_ranking([0.1, 0.2, 0.3], [0.4, 0.5, 0.6], 0.0)
    assert not same_ranking([0.2, 0.1, 0.3], [0.4, 0.5, 0.6], 0.09)
    assert same_ranking([0.2, 0.1, 0.3], [0.4, 0.5, 0.6], 0.11)
    # the third leads above, and was 0.2 behind the leader below
    assert not same_ranking([0.2, 0.3, 0.1], [0.4, 0.5, 0.6], 0.11)
    assert same_ranking([0.2], [0.9], 0.0)
    assert same_ranking([0.1, 0.2], [0.5, 0.5], 0.0)  # equals may come in any order


def test_the_ceiling_rises_with_each_change_of_order():
    """After one epoch trial numbers are the order; after three the first two that are promoted keep it,
    then the third breaks it.
    """
    above = iter([0.1, 0.2, 0.05])
    player = Player(
        PASHA(problem(1, 3, 9, 27), epsilon=0.0), lambda i, epochs: float(i) if epochs == 1 else next(above)
    )
    assert player.step(4) == [(1, None)] * 3 + [(3, 0)]
    while sum(p.parent is not None for p in player.asked) < 2:
        player.step()
    assert all(p.fidelity.epochs <= 3 for p in player.asked)
    while sum(p.parent is not None for p in player.asked) < 3:
        player.step()
    # three on the second rung, in another order than below: the third rung is used at once
    third = max(i for i, p in enumerate(player.asked) if p.parent is not None)
    assert player.ask() == [(9, third)]


def test_while_the_order_stays_nothing_is_trained_for_longer():
    losses: dict[int, float] = {}

    def as_before(number: int, epochs: int) -> float:
        losses[number] = losses.get(player.asked[number].parent, float((number * 37) % 61))
        return losses[number]

    player = Player(PASHA(problem(1, 3, 9, 27), epsilon=0.0), as_before)
    player.step(60)
    assert {p.fidelity.epochs for p in player.asked} == {1, 3}


def test_noise_is_what_makes_curves_cross_twice():
    up = np.array([0.5, 0.4, 0.3, 0.2])
    assert noise([up, up + 0.1]) == 0.0  # never
    assert noise([up, np.array([0.4, 0.5, 0.4, 0.3])]) == 0.0  # once
    twice = np.array([0.6, 0.3, 0.35, 0.3])  # above, below, above
    assert noise([up, twice]) == pytest.approx(0.1)
    assert noise([up, up + 0.7, twice]) == pytest.approx(0.1)
    longer = np.array([0.6, 0.3, 0.35, 0.3, 0.2])
    assert noise([up, longer]) == 0.0
    wide = np.array([0.6, 0.3, 0.35, 0.5])  # twice with `up`, ending 0.3 off; never with `twice`, but equal
    assert noise([up, twice, wide]) == pytest.approx(np.percentile([0.1, 0.3], 90))


def test_epsilon_is_measured_on_the_curves_unless_given():
    """Two trainings that end in the order they did not have below, and crossed twice on their way."""

    def play(epsilon):
        strategy = PASHA(problem(1, 4, 16), epsilon=epsilon)
        curves = {0: (0.30, 0.4, 0.2, 0.25), 1: (0.35, 0.3, 0.3, 0.2)}  # below, above, below, above
        for number in range(3):
            (proposal,) = strategy.ask(1)
            strategy.tell([Trial(number, proposal, "ok", ((0.3, 0.35, 0.9)[number],))])
        (first,) = strategy.ask(1)
        for number in range(4, 7):
            (proposal,) = strategy.ask(1)
            strategy.tell([Trial(number, proposal, "ok", (0.9,))])
        (second,) = strategy.ask(1)
        assert (first.parent, second.parent) == (0, 1)
        for number, parent, proposal in ((3, 0, first), (7, 1, second)):
            curve = tuple({"loss": value} for value in curves[parent])
            measured = Measurement({"loss": curves[parent][-1]}, curve=curve)
            strategy.tell([Trial(number, proposal, "ok", (curves[parent][-1],), measured)])
        return strategy._top

    assert play(0.0) == 2
    assert play(0.06) == 1
    assert play(None) == 1  # 0.05, from the curves


def test_a_negative_epsilon_is_refused():
    with pytest.raises(UsageError, match="0 or more, not -1"):
        PASHA(problem(1, 3), epsilon=-1)
