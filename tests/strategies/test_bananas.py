import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.strategies.bananas import Bananas
from strategies.guided_parts import PROBLEM, changes, loss, started, with_oracle


def test_it_takes_the_most_promising_mutations_of_the_best():
    strategy = Bananas(PROBLEM, batch=5, candidates=400, parents=2, encoding="onehot")
    with_oracle(strategy)  # sure of everything, so that a drawn loss is the predicted one
    known = started(strategy, 10)
    chosen = [p.arch for p in strategy.ask(5)]
    assert all(min(changes(arch, parent) for parent in known[:2]) == 1 for arch in chosen)
    assert [loss(arch) for arch in chosen] == sorted(loss(arch) for arch in chosen)
    mutants = {a for parent in known[:2] for a in PROBLEM.space.neighbors(parent)} - set(known)
    assert chosen == sorted(mutants, key=loss)[:5]  # 200 draws of 15 mutants miss hardly any


def test_thompson_sampling_explores_what_is_unsure():
    """With a spread far above all differences every candidate is as likely as another."""
    first = set()
    for seed in range(20):
        strategy = Bananas(PROBLEM, seed=seed, batch=1, candidates=400, parents=1, encoding="onehot")
        with_oracle(strategy, spread=1e6)
        known = started(strategy, 10)
        (chosen,) = (p.arch for p in strategy.ask(1))
        better = sum(loss(arch) < loss(chosen) for arch in PROBLEM.space.neighbors(known[0]))
        first.add(better)
    assert len(first) > 5


@pytest.mark.parametrize(
    ("acquisition", "order"), [("improvement", [1, 0, 2]), ("bound", [1, 0, 2]), ("thompson", [0, 1, 2])]
)
def test_acquisitions_by_hand(acquisition, order):
    """The improvements on 0 are 0.1 φ(0) = 0.04, 1.4 φ(0.29) − 0.4 Φ(−0.29) = 0.38 and nearly 0, the bounds
    −0.05, −0.3 and 2.95; a draw is near the mean where the spread is small.
    """
    strategy = Bananas(PROBLEM, acquisition=acquisition)
    strategy._targets = np.array([0.0, 1.0])
    unit = 1e-9 if acquisition == "thompson" else 1.0
    strategy.predict = lambda _: (np.array([0.0, 0.4, 3.0]), unit * np.array([0.1, 1.4, 0.1]))
    assert np.argsort(strategy._score([None] * 3)).tolist() == order


def test_senseless_options_are_refused():
    with pytest.raises(UsageError, match="acquisition is thompson or improvement or bound, not 'ei'"):
        Bananas(PROBLEM, acquisition="ei")
    with pytest.raises(UsageError, match=r"1 to candidates \(5\) parents, not 6"):
        Bananas(PROBLEM, candidates=5, parents=6)
