import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import make_space

NETWORK = {
    "network/activation": "relu",
    "network/norm": "batch",
    "network/hidden dropout": 0.1,
    "network/residual dropout": 0.0,
}


def test_the_size_counts_only_what_a_network_has():
    """A block is plain, or residual or gated with one of 4 factors; plain ones have no residual dropout."""
    blueprint = make_space("tabular-mlp", (5,), 3)
    only_plain, others = 6, 6 * 6
    expected = 8 * 4 * 3 * sum((9**depth - 1) * others + only_plain for depth in range(1, 9))
    assert blueprint.space.size() == expected


def test_a_residual_network_has_the_parameters_of_its_equations():
    """Linear, then per block BatchNorm and two linear layers, then BatchNorm and linear (the paper)."""
    blueprint = make_space("tabular-mlp", (5,), 3)
    blocks = {f"block{i}/kind": "residual" for i in (1, 2)} | {f"block{i}/hidden factor": 2 for i in (1, 2)}
    values = NETWORK | blocks | {"network/width": 64, "network/depth": 2}
    net = blueprint.build(Architecture(values), seed=0)
    d, h = 64, 128
    assert count_parameters(net) == (5 * d + d) + 2 * (2 * d + (d * h + h) + (h * d + d)) + 2 * d + (
        d * 3 + 3
    )
    norm, (_, activation), hidden_dropout, _, dropout = net[1][0].body
    kinds = [type(layer) for layer in (norm, activation, hidden_dropout, dropout)]
    assert kinds == [nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Dropout]
    assert (hidden_dropout.p, dropout.p) == (0.1, 0.0)


@pytest.mark.parametrize("kind", ["plain", "residual", "gated"])
def test_statistics_of_trained_batchnorms_are_sliced(kind):
    blueprint = make_space("tabular-mlp", (5,), 3, {"width": 16, "depth": 2})
    supernet = Supernet(blueprint, seed=0)
    values = NETWORK | {"network/width": 8, "network/depth": 1, "block1/kind": kind}
    if kind == "plain":
        del values["network/residual dropout"]
    else:
        values |= {"block1/hidden factor": 3}
    supernet.activate(Architecture(values))
    supernet.train()(3 * torch.randn(32, 5) + 1)
    x = torch.randn(4, 5)
    assert torch.equal(supernet.eval()(x), derive(supernet.net, Architecture(values)).eval()(x))


def test_dropouts_and_sizes_are_ordered():
    space = make_space("tabular-mlp", (5,), 3).space
    ordered = {name.split("/")[1] for name, decision in space.decisions.items() if decision.ordered}
    assert ordered == {"width", "depth", "hidden factor", "hidden dropout", "residual dropout"}
    arch = space.sample(np.random.default_rng(0))
    assert arch in space


def test_a_tiny_width_leaves_different_widths_only():
    space = make_space("tabular-mlp", (5,), 3, {"width": 4, "depth": 1}).space
    assert space.decisions["network/width"].options == (1, 2, 3, 4)
