import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.strategies.acquisition import expected_improvement_of_log
from nasturtium.strategies.smac import SMAC
from strategies.guided_parts import PROBLEM, SPACE, Oracle, loss, started, tell, with_oracle


class Rugged(Oracle):
    """Gives every architecture a prediction of its own, so that there are many places to climb to."""

    def predict(self, x):
        code = x @ (1.3 ** np.arange(x.shape[1]))
        return np.sin(1000 * code), 0.5 + 0.4 * np.cos(1000 * code)


def test_the_local_searches_end_where_no_new_neighbor_promises_more():
    strategy = SMAC(PROBLEM, batch=3, starts=4)
    strategy._model = Rugged
    seen = set(started(strategy, 10))
    strategy.ask(1)  # learns
    ends = strategy._climb()
    taken = {arch for arch in SPACE.enumerate() if arch in strategy._unseen}
    assert seen < taken
    assert len(set(ends)) > 2

    def improvement(archs):
        return expected_improvement_of_log(*strategy.predict(archs), strategy.least)

    for end in ends:
        near = [arch for arch in SPACE.neighbors(end) if arch not in taken]
        assert end not in taken
        assert improvement([end]) >= improvement(near).max()


def test_it_takes_what_promises_most():
    """A predictor that knows the truth has one place to climb to, and it is the best of all."""
    strategy = SMAC(PROBLEM, batch=1, random=0.0, candidates=1)
    with_oracle(strategy)
    started(strategy, 10)
    (proposal,) = strategy.ask(1)
    assert proposal.arch == min(SPACE.enumerate(), key=loss)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_share_of_a_batch_is_random(share):
    """Promising ones are among the best of 1024; random ones rarely."""
    good = set(sorted(SPACE.enumerate(), key=loss)[:200])
    found = []
    for seed in range(30):
        strategy = SMAC(PROBLEM, seed=seed, batch=8, random=share, candidates=100, initial=10)
        with_oracle(strategy, spread=1.0)
        tell(strategy, strategy.ask(10))
        found += [p.arch not in good for p in strategy.ask(8)]
    expected = share * (1 - 200 / 1024)
    assert abs(np.mean(found) - expected) <= 4 * (expected * (1 - expected) / 240) ** 0.5 + 0.01


@pytest.mark.parametrize("options", [{"candidates": 0}, {"starts": -1}, {"random": 1.5}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match=r"smac takes|random is a chance"):
        SMAC(PROBLEM, **options)
