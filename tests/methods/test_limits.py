from collections import Counter

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS
from nasturtium.methods.limits import draw, refuse_impossible, refuse_limits
from nasturtium.problem.objectives import Limit
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

SPACE = SearchSpace([Decision(f"d{i}", tuple(range(8)), ordered=True) for i in range(6)])


def sizes(arch):
    return {"parameters": float(sum(arch.values()))}


def drawn(most, number, seed=0, without=()):
    limits = [Limit("parameters", most)]
    return draw(SPACE, sizes, limits, np.random.default_rng(seed), number=number, without=without)


def test_rivals_keep_the_limits():
    found = drawn(15.0, 30)
    assert len(set(found)) == 30
    assert all(sizes(arch)["parameters"] <= 15 for arch in found)


def test_where_many_keep_them_rivals_are_uniform_over_these():
    """Of one decision with 8 values, 4 keep the limit."""
    space = SearchSpace([Decision("d", tuple(range(8)))])
    limit = [Limit("parameters", 3.0)]
    rng = np.random.default_rng(0)
    counts = Counter(draw(space, sizes, limit, rng, number=1)[0]["d"] for _ in range(400))
    assert set(counts) == {0, 1, 2, 3}
    assert all(abs(n - 100) < 5 * (400 * 0.25 * 0.75) ** 0.5 for n in counts.values())


def test_where_next_to_none_keep_them_some_are_still_reached():
    """7 of 262,144 architectures keep the limit."""
    found = drawn(1.0, 3)
    assert len(set(found)) == 3
    assert all(sizes(arch)["parameters"] <= 1 for arch in found)


def test_the_found_one_is_no_rival_of_its_own():
    everything = drawn(1.0, 7)
    assert everything[0] not in drawn(1.0, 6, without=everything[:1])


def test_without_limits_nothing_is_measured():
    def never(arch):
        raise AssertionError

    assert len(draw(SPACE, never, (), np.random.default_rng(0), number=5)) == 5
    refuse_impossible(SPACE, never, ())


def test_impossible_limits_are_refused_with_the_smallest_value_met():
    def larger(arch):
        return {"parameters": 1000.0 + sum(arch.values())}

    with pytest.raises(
        UsageError, match=r"meets parameters ≤ 500; the smallest values met were parameters 1,0"
    ):
        refuse_impossible(SPACE, larger, [Limit("parameters", 500.0)])


def test_methods_that_never_compare_architectures_say_who_does():
    with pytest.raises(UsageError, match="'darts' can't keep parameters ≤ 1,000.*: .*random.*spos"):
        refuse_limits("darts", [Limit("parameters", 1000)])
    refuse_limits("darts", [])
    refuse_limits("random", [Limit("parameters", 1000)])


@pytest.mark.parametrize("name", METHODS.names())
def test_who_scores_paths_or_trains_architectures_keeps_limits_and_nobody_else(name):
    abilities = METHODS.info(name).abilities
    scores = bool(abilities & {"path", "training"}) and name != "proxylessnas-rl"  # rewards, but no choosing
    assert ("limits" in abilities) == scores
