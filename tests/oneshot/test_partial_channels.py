import pytest
import torch
from torch import nn

from nasturtium.core.errors import CannotSearch
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.decision import Decision
from nasturtium.spaces.transnasbench101_micro import transnasbench101_micro

OPS = {name: lambda channels, stride: nn.Identity() for name in ("a", "b")}


def cell(**rows: list[float]) -> Supernet:
    """Of one node with three inputs, of which two are chosen."""
    supernet = Supernet(Blueprint(lambda: Cell("c", OPS, 4, 1, inputs=3)), PartialChannels())
    with torch.no_grad():
        for name, row in rows.items():
            supernet.alphas[name].copy_(torch.tensor(row).log())
    return supernet


def test_inputs_have_a_softmax_of_their_own():
    inputs = Decision("in", (0, 1, 2), k=2)
    relaxation = PartialChannels()
    row = relaxation.alpha(inputs, 3, torch.Generator().manual_seed(0))
    assert row.shape == (3,)
    assert row.abs().max() < 0.01
    alpha = torch.tensor([1.0, 2.0, 0.0])
    gate = relaxation.gate(inputs, alpha)
    assert gate.index == (0, 1, 2)
    assert torch.allclose(gate.weight, alpha.exp() / alpha.exp().sum())


def test_edges_are_ranked_by_beta_times_alpha():
    # best operations: 0.9, 0.6, 0.5; with β 0.45, 0.30, 0.25 alone they would stand in the same order
    alphas = {"c/3<-0": [0.9, 0.1], "c/3<-1": [0.4, 0.6], "c/3<-2": [0.5, 0.5]}
    assert cell(**alphas, **{"c/3/inputs": [1.0, 1.0, 1.0]}).architecture()["c/3/inputs"] == (0, 1)
    # 0.9 · 0.1 < 0.6 · 0.2 < 0.5 · 0.7
    found = cell(**alphas, **{"c/3/inputs": [0.1, 0.2, 0.7]}).architecture()
    assert found["c/3/inputs"] == (1, 2)
    assert found["c/3<-1"] == "b"


def test_a_space_without_edges_is_refused():
    blueprint = Blueprint(lambda: OneOf("act", {"relu": nn.ReLU, "silu": nn.SiLU}))
    with pytest.raises(CannotSearch, match="PartialChannels splits the channels of edges.*no edges"):
        Supernet(blueprint, PartialChannels())


def test_edges_that_change_the_width_run_whole():
    net = Supernet(transnasbench101_micro((3, 16, 16), 5, channels=8), PartialChannels(), seed=0)
    widths = {w.shape[:2] for w in net.net[1].parameters() if w.shape[2:] == (3, 3)}
    assert widths == {(16, 8), (4, 4)}
    net(torch.rand(2, 3, 16, 16)).sum().backward()
    assert all(alpha.grad is not None for alpha in net.alphas.values())
