import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.bohb import BOHB, sorted_by_ratio
from nasturtium.strategies.density import Density
from nasturtium.strategies.hyperband import Hyperband
from nasturtium.strategies.random import RandomSearch
from strategies.ladder import Player

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(6)), ordered=True) for i in range(3)])
LOSS = (Objective("loss", "min"),)


def problem(*epochs: int) -> Problem:
    return Problem(SPACE, LOSS, tuple(map(Fidelity, epochs)))


def arch(*values: int) -> Architecture:
    return Architecture({f"d{i}": value for i, value in enumerate(values)})


def test_candidates_are_ranked_by_the_ratio():
    good, bad = Density(SPACE, [arch(0, 0, 0)], 0.5), Density(SPACE, [arch(5, 0, 0)], 0.5)
    found = sorted_by_ratio([arch(3, 0, 0), arch(5, 0, 0), arch(0, 1, 1), arch(1, 0, 0)], good, bad)
    # only the first decision tells the two apart; the ratio falls with each step from 0 to 5
    assert found == [arch(0, 1, 1), arch(1, 0, 0), arch(3, 0, 0), arch(5, 0, 0)]


def told(strategy: BOHB, losses: list[float], fidelity: Fidelity) -> None:
    """Results that were not asked for, of architectures whose first decision grows with the loss."""
    trials = [
        Trial(1000 + i, Proposal(arch(i % 6, 0, 0), fidelity), "ok", (loss,)) for i, loss in enumerate(losses)
    ]
    strategy.tell(trials)


def test_the_good_are_the_best_quantile_but_never_fewer_than_a_density_needs():
    """N_min is 3 decisions + 1."""
    strategy = BOHB(problem(1))
    trials = [Trial(i, Proposal(arch(i % 6, i // 6, 0), Fidelity(1)), "ok", (float(i),)) for i in range(36)]
    for number, sizes in ((6, (4, 4)), (10, (4, 6)), (36, (5, 31))):
        split = strategy._split(trials[:number][::-1])
        assert tuple(len(density._archs) for density in split) == sizes
        assert split[0]._archs == [trial.proposal.arch for trial in trials[: sizes[0]]]
        assert split[1]._archs == [trial.proposal.arch for trial in trials[number - sizes[1] : number]]


def test_the_model_is_of_the_highest_fidelity_with_enough_results():
    strategy = BOHB(problem(1, 3, 9), random=0.0)
    seen = []
    strategy._split = lambda known: seen.append({t.proposal.fidelity.epochs for t in known}) or split(known)
    split = BOHB(problem(1))._split
    told(strategy, [0.1] * 5, Fidelity(1))
    strategy.new()
    assert seen == []  # five are one too few
    told(strategy, [0.1], Fidelity(1))
    strategy.new()
    told(strategy, [0.1] * 6, Fidelity(3))
    strategy.new()
    told(strategy, [0.1] * 5, Fidelity(9))
    strategy.new()
    assert seen == [{1}, {3}, {3}]


def test_all_random_it_is_hyperband_over_random_architectures():
    player, plain = (
        Player(strategy, lambda i, epochs: float((i * 37) % 64))
        for strategy in (BOHB(problem(1, 3, 9), random=1.0), Hyperband(problem(1, 3, 9)))
    )
    assert player.step(40) == plain.step(40)


def test_no_architecture_begins_twice_and_the_space_ends():
    small = Problem(SearchSpace([Decision("d", tuple(range(12)))]), LOSS, (Fidelity(1),))
    player = Player(BOHB(small), lambda i, epochs: float(i))
    player.step(12)
    assert len({proposal.arch for proposal in player.asked}) == 12
    assert player.ask() == []


@pytest.mark.parametrize("wrong", [{"quantile": 0.0}, {"random": 1.5}, {"width": 1.0}, {"eta": 1}])
def test_senseless_numbers_are_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        BOHB(problem(1, 3), **wrong)


def test_with_one_fidelity_the_model_still_beats_random_search():
    """The squared distance from a point, over 6³ architectures, after 40 trials."""

    def found(made, seed):
        target = np.random.default_rng([seed, 1]).integers(6, size=3)
        player = Player(made(problem(1), seed=seed), None)
        player.loss = lambda i, epochs: float(
            sum((player.asked[i].arch[f"d{j}"] - target[j]) ** 2 for j in range(3))
        )
        player.step(40)
        return min(player.loss(i, 1) for i in range(40))

    gain = np.array([found(RandomSearch, seed) - found(BOHB, seed) for seed in range(12)])
    assert gain.mean() > 2 * gain.std(ddof=1) / 12**0.5
