import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.merging import Merge, MergingCells, attend, merges_of, orders, resample, run
from nasturtium.modules.choice import Gate
from nasturtium.modules.derive import derive
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet

LEVELS = (0, 1)


class Network(nn.Module):
    def __init__(self, free=1):
        super().__init__()
        self.cells = MergingCells("fpn", 2, LEVELS, free=free)

    def forward(self, x):
        features = self.cells([x, F.max_pool2d(x, 2, ceil_mode=True)])
        return features[0], features[1]


def test_the_space_counts_pairs_merges_levels_and_orders():
    space = Blueprint(Network).space
    assert space.size() == len(list(space.enumerate())) == (1 * 3 * 6) * 2**3 * 2 * 2
    assert len(space.decisions) == 3 * 2 + 1 + 1
    assert set(orders(LEVELS)) == {"0-1", "1-0"}
    assert len(orders((3, 4, 5, 6, 7))) == math.factorial(5)


def test_every_path_of_the_supernet_is_the_derived_network():
    supernet = Supernet(Blueprint(Network), seed=0).eval()
    x = torch.randn(2, 2, 7, 9)
    for arch in itertools.islice(supernet.space.enumerate(), 0, None, 29):
        supernet.activate(arch)
        for a, b in zip(supernet(x), derive(supernet.net, arch)(x), strict=True):
            assert torch.equal(a, b)


def test_outputs_have_the_sizes_of_the_levels_in_every_order():
    blueprint, rng = Blueprint(lambda: Network(free=2)), np.random.default_rng(0)
    for _ in range(20):
        net = blueprint.build(blueprint.space.sample(rng), seed=0).eval()
        assert [tuple(y.shape) for y in net(torch.randn(1, 2, 7, 9))] == [(1, 2, 7, 9), (1, 2, 4, 5)]


def test_resampling():
    x = torch.arange(6.0).view(1, 1, 2, 3)
    assert torch.equal(resample(x, 1, x), torch.tensor([[[[4.0, 5.0]]]]))
    assert torch.equal(resample(x, 2, x), torch.tensor([[[[5.0]]]]))
    finer = resample(x, -1, torch.empty(1, 1, 3, 6))
    assert torch.equal(finer[0, 0, 0], torch.tensor([0.0, 0.0, 1.0, 1.0, 2.0, 2.0]))
    assert resample(x, 0, x) is x


def test_attention_weighs_the_finer_features_by_the_coarser():
    coarse, fine = torch.tensor([[[[0.0, 2.0]]]]), torch.tensor([[[[4.0, -4.0]]]])
    share = 1 / (1 + math.exp(-2.0))
    torch.testing.assert_close(attend(coarse, fine), torch.tensor([[[[4 * share, 2 - 4 * share]]]]))


@pytest.mark.parametrize("inputs", [(0, 1), (1, 2)])
def test_the_coarser_of_the_two_is_told_by_level_not_by_order(inputs):
    """State 0 is at level 0, 1 at level 1, 2 (the first cell) at level 0."""
    states = [torch.randn(1, 1, 4, 4), torch.randn(1, 1, 2, 2)]
    first = Merge(0, "sum", (0, 1))
    merges = [first, Merge(1, "attention", inputs), Merge(0, "sum", (0, 1))]
    made = run(merges, LEVELS, [nn.Identity()] * 3, states)
    fine = states[0] if inputs == (0, 1) else states[0] + resample(states[1], -1, states[0])
    assert torch.equal(made[1], attend(states[1], resample(fine, 1, states[1])))


def test_outputs_add_what_nothing_else_of_their_level_uses():
    values = {
        "fpn/cell1/inputs": (0, 1),
        "fpn/cell1/op": "sum",
        "fpn/cell1/level": 0,
        "fpn/cell2/inputs": (0, 1),
        "fpn/cell2/op": "sum",
        "fpn/cell3/inputs": (0, 3),
        "fpn/cell3/op": "attention",
        "fpn/order": "1-0",
    }
    merges = merges_of(values, "fpn", LEVELS, 1)
    assert [merge.unused for merge in merges] == [(), (), (2,)]
    values["fpn/cell2/inputs"] = (0, 2)
    assert [merge.unused for merge in merges_of(values, "fpn", LEVELS, 1)] == [(), (), ()]
    values["fpn/order"] = "0-1"
    values["fpn/cell3/inputs"] = (0, 1)
    assert [merge.unused for merge in merges_of(values, "fpn", LEVELS, 1)] == [(), (), ()]
    values["fpn/cell1/inputs"], values["fpn/cell3/inputs"] = (0, 1), (2, 3)
    assert merges_of(values, "fpn", LEVELS, 1)[2] == Merge(1, "attention", (2, 3))


def test_a_mixture_is_refused_by_name():
    with pytest.raises(UsageError, match="MergingCells needs one option of 'fpn/cell1/"):
        Supernet(Blueprint(Network), Softmax(), seed=0)
    net = Network()
    board = {d.name: Gate(tuple(range(d.k))) for d in net.cells.decisions()}
    board["fpn/order"] = Gate((0, 1))
    net.cells.connect(board)
    with pytest.raises(
        UsageError, match="MergingCells needs one option of 'fpn/order' but got a mixture of 2"
    ):
        net(torch.randn(1, 2, 4, 4))
