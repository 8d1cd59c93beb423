import json
import math
from collections import Counter

import numpy as np
import pytest

from nasturtium.oneshot.fair import FairPaths
from nasturtium.space.conditions import When
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, members
from nasturtium.space.search_space import SearchSpace
from path_search_parts import BLUEPRINTS


def updates(space: SearchSpace, number: int, *, seed: int = 0) -> list:
    sampler, rng = FairPaths(space), np.random.default_rng(seed)
    return [sampler.paths(rng, 0.0) for _ in range(number)]


def spreads(space: SearchSpace, paths) -> dict[str, int]:
    """Per decision: how often its most trained option was trained more than its least trained one."""
    counts = Counter((name, o) for path in paths for name, value in path.items() for o in members(value))
    rows = {name: [counts[name, o] for o in d.options] for name, d in space.decisions.items()}
    return {name: max(row) - min(row) for name, row in rows.items()}


def test_with_equally_many_options_each_is_trained_exactly_once_per_update():
    space = BLUEPRINTS["chain"].space
    drawn = updates(space, 40)
    assert {len(paths) for paths in drawn} == {3}
    for paths in drawn:
        assert set(spreads(space, paths).values()) == {0}
        assert sorted(p["one"] for p in paths) == ["conv1", "conv3", "conv5"]
    # the permutations of both decisions are independent: all nine pairs come up
    assert len({(p["one"], p["two"]) for paths in drawn for p in paths}) == 9


UNEQUAL = SearchSpace(
    [
        Decision("two", ("a", "b")),
        Decision("five", (1, 2, 3, 4, 5), ordered=True),
        Decision("pair", (0, 1, 2, 3, 4), k=2),
        Decision("one", ("only",)),
    ]
)


def test_otherwise_counts_differ_by_one_at_most_after_every_path():
    drawn = updates(UNEQUAL, 30)
    assert {len(paths) for paths in drawn} == {5}
    paths = [path for update in drawn for path in update]
    for number in range(1, len(paths) + 1):
        assert max(spreads(UNEQUAL, paths[:number]).values()) <= 1
    assert spreads(UNEQUAL, paths) == dict.fromkeys(UNEQUAL.decisions, 0)
    assert len({path["pair"] for path in paths}) == math.comb(5, 2)


@pytest.mark.parametrize("name", ["nested", "elastic"])
def test_decisions_that_are_switched_off_do_not_count(name):
    space = BLUEPRINTS[name].space
    paths = [path for update in updates(space, 20) for path in update]
    assert all(path in space for path in paths)
    for number in range(1, len(paths) + 1):
        assert max(spreads(space, paths[:number]).values()) <= 1


def test_where_constraints_forbid_the_fairest_path_counts_stay_closer_than_by_chance():
    names = [f"d{i}" for i in range(4)]
    few = Rule("at most two are on", frozenset(names), lambda v: sum(v[n] == "on" for n in names) <= 2)
    space = SearchSpace([Decision(n, ("on", "off", "weak")) for n in names], constraints=[few])
    paths = [path for update in updates(space, 60) for path in update]
    rng = np.random.default_rng(0)
    uniform = [space.sample(rng) for _ in paths]
    assert all(path in space for path in paths)
    assert sum(spreads(space, paths).values()) < sum(spreads(space, uniform).values()) / 3


def test_it_goes_on_where_its_state_was_taken():
    condition = {"inner": frozenset([frozenset([When("outer", frozenset("a"))])])}
    space = SearchSpace([Decision("outer", tuple("abc")), Decision("inner", (1, 2))], condition)
    first, rng = FairPaths(space), np.random.default_rng(1)
    for _ in range(5):
        first.paths(rng, 0.0)
    first._next(rng)  # in the middle of a permutation
    second = FairPaths(space)
    second.load_state(json.loads(json.dumps(first.state())))
    same = np.random.default_rng(7), np.random.default_rng(7)
    assert [first.paths(same[0], 0.0) for _ in range(9)] == [second.paths(same[1], 0.0) for _ in range(9)]
