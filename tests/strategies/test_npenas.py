import pytest

from nasturtium.core.errors import UsageError
from nasturtium.strategies.npenas import NPENAS
from strategies.guided_parts import PROBLEM, changes, loss, started, tell, with_oracle


def test_the_predictor_keeps_the_best_children_of_the_best():
    strategy = NPENAS(PROBLEM, batch=4, parents=2, children=200, encoding="onehot")
    with_oracle(strategy, spread=1e6)
    known = started(strategy, 10)
    chosen = [p.arch for p in strategy.ask(4)]
    children = {a for parent in known[:2] for a in PROBLEM.space.neighbors(parent)} - set(known)
    assert chosen == sorted(children, key=loss)[:4]  # 200 draws of 15 children miss hardly any


def test_children_that_were_evaluated_become_parents():
    strategy = NPENAS(PROBLEM, batch=1, parents=1, children=200, encoding="onehot")
    with_oracle(strategy)
    best = started(strategy, 10)[0]
    for number in range(10, 13):
        (proposal,) = strategy.ask(1)
        tell(strategy, [proposal], number)
        assert changes(proposal.arch, best) == 1
        best = min(best, proposal.arch, key=loss)


def test_drawn_losses_decide_where_wanted():
    """With a spread far above all differences what is kept is no longer the best."""
    kept = {}
    for variant in ("np", "bo"):
        strategy = NPENAS(PROBLEM, batch=5, parents=1, children=200, variant=variant, encoding="onehot")
        with_oracle(strategy, spread=1e6)
        started(strategy, 10)
        kept[variant] = [loss(p.arch) for p in strategy.ask(5)]
    assert kept["np"] == sorted(kept["np"])
    assert sum(kept["np"]) < sum(kept["bo"])


def test_senseless_options_are_refused():
    with pytest.raises(UsageError, match="variant is np or bo, not 'gin'"):
        NPENAS(PROBLEM, variant="gin")
    with pytest.raises(UsageError, match="1 or more parents and children, not 0 and 10"):
        NPENAS(PROBLEM, parents=0)
