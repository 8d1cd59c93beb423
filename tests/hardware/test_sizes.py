import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.hardware.sizes import METERS, sizes_of
from nasturtium.spaces.base import make_space

SMALL = ["nasbench201", "darts", "mobilenetv3", "autoformer-tiny", "network-morphism", "enas-macro"]


@pytest.mark.parametrize("name", SMALL)
def test_sizes_are_those_of_the_network_itself(name):
    blueprint = make_space(name, (3, 32, 32), 10, {})
    arch = blueprint.space.sample(np.random.default_rng(0))
    net = blueprint.build(arch, 0)
    assert sizes_of(blueprint, (3, 32, 32), METERS)(arch) == {
        "parameters": count_parameters(net),
        "flops": count_flops(net, torch.zeros(1, 3, 32, 32)),
    }


def test_nothing_that_was_not_asked_for_is_measured():
    blueprint = make_space("nasbench201", (1, 8, 8), 3, {"channels": 2, "cells": 1})
    arch = blueprint.space.sample(np.random.default_rng(0))
    assert list(sizes_of(blueprint, (1, 8, 8), ["flops"])(arch)) == ["flops"]


def test_what_is_no_size_is_refused_with_the_nearest():
    blueprint = make_space("nasbench201", (1, 8, 8), 3, {})
    with pytest.raises(UsageError, match="'flop' can't be measured before training.*did you mean 'flops'"):
        sizes_of(blueprint, (1, 8, 8), ["flop"])
