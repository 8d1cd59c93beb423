import numpy as np
import pytest

from module_examples import BLUEPRINTS as EXAMPLES
from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.oneshot.extremes import SandwichPaths, extremes
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.constraints import Rule
from path_search_parts import BLUEPRINTS


def of(blueprint: Blueprint):
    supernet = Supernet(blueprint)
    return extremes(supernet, supernet.space)


def test_ordered_decisions_take_their_ends_and_others_the_most_parameters():
    largest, smallest = of(BLUEPRINTS["nested"])
    assert dict(largest) == {
        "depth": 3,
        **{f"block{i}": "deep" for i in range(3)},
        **{f"act{i}": "relu" for i in range(3)},  # neither holds any: the first
    }
    assert dict(smallest) == {"depth": 1, "block0": "skip"}
    assert [dict(path) for path in of(BLUEPRINTS["elastic"])] == [
        {"width": 6, "kernel": 3},
        {"width": 2, "kernel": 1},
    ]


@pytest.mark.parametrize("name", ["chain", "nested", "elastic"])
def test_no_path_is_larger_or_smaller(name):
    blueprint = BLUEPRINTS[name]
    largest, smallest = (count_parameters(blueprint.build(path, 0)) for path in of(blueprint))
    sizes = [count_parameters(blueprint.build(path, 0)) for path in blueprint.space.enumerate()]
    assert (largest, smallest) == (max(sizes), min(sizes))


@pytest.mark.parametrize("name", ["darts", "inputs", "cells", "elastic in a choice"])
def test_every_kind_of_choice_has_extremes(name):
    supernet = Supernet(EXAMPLES[name])
    largest, smallest = extremes(supernet, supernet.space)
    assert largest in supernet.space
    assert smallest in supernet.space
    build = EXAMPLES[name].build
    assert count_parameters(build(largest, 0)) >= count_parameters(build(smallest, 0))


def test_of_a_part_of_the_space():
    supernet = Supernet(BLUEPRINTS["elastic"])
    part = supernet.space.restrict({"width": [2, 4]})
    assert [path["width"] for path in extremes(supernet, part)] == [4, 2]


def test_where_constraints_forbid_it_the_closest_random_path_is_taken():
    rule = Rule("not both", frozenset(["one", "two"]), lambda v: (v["one"], v["two"]) != ("conv5", "conv5"))
    blueprint = Blueprint(BLUEPRINTS["chain"].make, constraints=[rule])
    largest, smallest = of(blueprint)
    assert sorted(largest.values())[1] == "conv5"
    assert largest in blueprint.space
    assert set(smallest.values()) == {"conv1"}


def test_a_sandwich_is_the_largest_the_smallest_and_two_random_paths():
    supernet = Supernet(BLUEPRINTS["nested"])
    sampler, rng = SandwichPaths(supernet, supernet.space), np.random.default_rng(0)
    drawn = [sampler.paths(rng, 0.0) for _ in range(20)]
    assert all(paths[:2] == list(extremes(supernet, supernet.space)) for paths in drawn)
    assert {len(paths) for paths in drawn} == {4}
    assert len({path for paths in drawn for path in paths[2:]}) > 15
