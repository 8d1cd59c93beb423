import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import DARTS_V2, from_genotype
from nasturtium.spaces.nasbench301 import PREFIX, edge_number, from_config, nasbench301, to_config

DARTS_V2_CONFIG = to_config(from_genotype(DARTS_V2))


def changed(**settings: object) -> dict[str, object]:
    """The settings of DARTS_V2 with some changed, or taken away (None)."""
    config = DARTS_V2_CONFIG | {PREFIX + name: value for name, value in settings.items()}
    return {name: value for name, value in config.items() if value is not None}


def test_settings_survive_a_round_trip():
    space = nasbench301((3, 8, 8), 10, channels=4, cells=3).space
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = space.sample(rng)
        assert from_config(to_config(arch)) == arch


def test_edges_are_numbered_node_by_node():
    pairs = [(node, source) for node in range(2, 6) for source in range(node)]
    assert [edge_number(*pair) for pair in pairs] == list(range(14))


def test_darts_v2_is_written_as_the_benchmark_writes_it():
    assert DARTS_V2_CONFIG[f"{PREFIX}inputs_node_normal_5"] == "0_2"
    assert DARTS_V2_CONFIG[f"{PREFIX}edge_normal_11"] == "dil_conv_3x3"
    assert DARTS_V2_CONFIG[f"{PREFIX}edge_reduce_0"] == "max_pool_3x3"
    assert f"{PREFIX}inputs_node_normal_2" not in DARTS_V2_CONFIG
    assert len(DARTS_V2_CONFIG) == 2 * (3 + 8)


def test_settings_that_are_not_about_cells_are_passed_over():
    more = {f"{PREFIX}layers": 8, f"{PREFIX}init_channels": 32, "OptimizerSelector:optimizer": "sgd"}
    assert from_config(DARTS_V2_CONFIG | more) == from_genotype(DARTS_V2)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (changed(edge_normal_0="sep_conv_9x9"), "edge_normal_0' is 'sep_conv_9x9': did you mean 'sep_conv"),
        (changed(edge_normal_0="none"), "edge_normal_0' is 'none'"),
        (changed(edge_normal_0=3), "edge_normal_0' is 3"),
        (changed(edge_normal_0=None), "edge_normal_0' is missing; it can be max_pool_3x3, "),
        (
            changed(inputs_node_reduce_4=None),
            "inputs_node_reduce_4' is missing; it can be 0_1, 0_2, 0_3, 1_2",
        ),
        (changed(inputs_node_reduce_4="0_4"), "inputs_node_reduce_4' is '0_4'"),
        (changed(inputs_node_reduce_4="1_0"), "inputs_node_reduce_4' is '1_0'"),
        (changed(inputs_node_reduce_4="2_2"), "inputs_node_reduce_4' is '2_2'"),
        (changed(inputs_node_reduce_4=(0, 1)), "inputs_node_reduce_4' is"),
        (changed(inputs_node_normal_5="3_4"), "edge_normal_12' is missing"),
        (changed(edge_normal_13="skip_connect"), "edge_normal_13' is about no edge that these cells use"),
        (changed(edge_normal_14="skip_connect"), "edge_normal_14' is about no edge"),
        (changed(inputs_node_normal_6="0_1"), "inputs_node_normal_6' is about no edge"),
        ({}, "edge_normal_0' is missing"),
        ({"edge": "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"}, "edge_normal_0' is missing"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "expected a mapping"),
        (DARTS_V2, "expected a mapping"),
        (None, "expected a mapping"),
    ],
)
def test_bad_settings_are_refused_with_their_name(config, message):
    with pytest.raises(UsageError, match=message):
        from_config(config)


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 7, 8), {}, "'nasbench301' needs images of at least 8×8 pixels, got 7×8"),
        ((3, 8, 8), {"cells": 2}, "'nasbench301' needs at least 3 cells for its two reductions, got 2"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("nasbench301", shape, 10, sizes)
