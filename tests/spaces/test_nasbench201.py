import itertools

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import DARTS_V2
from nasturtium.spaces.nasbench201 import NAMES, from_string, nasbench201, to_string


def test_all_strings_survive_a_round_trip():
    edges = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    texts = {edges.format(*ops) for ops in itertools.product(NAMES, repeat=6)}
    space = nasbench201((3, 8, 8), 10, channels=4, cells=1).space
    assert len(texts) == 15_625
    assert all(to_string(from_string(text)) == text for text in texts)
    assert {from_string(text) for text in texts} == set(space.enumerate())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|+|none~0|none~1|", "2 nodes"),
        ("", "1 nodes"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~3|", r"node 3 reads '\|none~0\|none~1\|none~3\|'"),
        ("|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", "node 2 reads"),
        ("|none~0|+|none~0|+|none~0|none~1|none~2|", "node 2 reads"),
        ("|none~0|+|none~0|none~1|none~2|+|none~0|none~1|none~2|", "node 2 reads"),
        ("junk|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "node 1 reads 'junk"),
        ("|none~0junk|+|none~0|none~1|+|none~0|none~1|none~2|", "node 1 reads"),
        ("|none~0|+|skip~0|none~1|+|none~0|none~1|none~2|", "'cell/2<-0' got 'skip': did you mean 'skip_con"),
        (repr(DARTS_V2), "1 nodes"),
        (DARTS_V2, r"expected text such as \|op~0\|\+.*, got Genotype"),
        (None, "expected text"),
        (15_624, "expected text"),
        ("|max_pool_3x3~0|+|none~0|none~1|+|none~0|none~1|none~2|", "'cell/1<-0' got 'max_pool_3x3'"),
    ],
)
def test_bad_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        from_string(text)


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 8, 6), {}, "'nasbench201' needs images of at least 8×8 pixels, got 8×6"),
        ((3, 8, 8), {"depth": 2}, "'nasbench201' has no network size 'depth'"),
        ((3, 8, 8), {"cells": 0}, "cells.* 0"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("nasbench201", shape, 10, sizes)


def test_a_node_is_the_sum_of_its_edges_and_the_last_one_is_the_output():
    blueprint = nasbench201((3, 8, 8), 5, channels=4, cells=1)
    edges = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    x = torch.rand(2, 4, 8, 8)

    def cell(*ops: str) -> nn.Module:
        return blueprint.build(from_string(edges.format(*ops)), seed=0)[1].eval()

    skip, none = "skip_connect", "none"
    # paths from input to output: straight, over node 1, over node 2, over both
    assert torch.allclose(cell(*[skip] * 6)(x), 4 * x)
    assert torch.allclose(cell(skip, none, skip, none, none, skip)(x), x)
    assert torch.allclose(cell(skip, skip, none, none, skip, skip)(x), 2 * x)
    assert torch.allclose(cell(*[none] * 6)(x), 0 * x)
    ones = torch.ones(1, 4, 8, 8)
    pooled = cell(none, none, none, "avg_pool_3x3", none, none)(ones)
    assert torch.allclose(pooled, ones)  # padding does not count
