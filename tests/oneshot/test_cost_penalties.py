import math

import pytest
import torch
from torch import Tensor, nn

from nasturtium.hardware.cost_table import CostTable
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.example import random_images
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.penalties import AddedCost, MultipliedCost
from nasturtium.oneshot.policy_gradient import AccuracyAtCost
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

WIDTHS = {"a": 2, "b": 5, "c": 11}
FIXED = 6 * 3


def make() -> nn.Module:
    options = {
        name: lambda w=w: nn.Sequential(nn.Linear(6, w), nn.Linear(w, 6)) for name, w in WIDTHS.items()
    }
    return nn.Sequential(OneOf("op", options), nn.Linear(6, 3))


BLUEPRINT = Blueprint(make, example=random_images((6,)))
COSTS = torch.tensor([12.0 * w + FIXED for w in WIDTHS.values()])
TABLE = CostTable.measured("flops", BLUEPRINT, BLUEPRINT.inputs)


@pytest.fixture
def supernet() -> Supernet:
    net = Supernet(BLUEPRINT, Softmax())
    with torch.no_grad():
        net.alphas["op"].copy_(torch.tensor([0.4, -0.3, 0.2]))
    return net


def slope_of(value: Tensor, supernet: Supernet) -> Tensor:
    return torch.autograd.grad(value, supernet.alphas["op"])[0]


def test_the_added_cost_is_in_units_of_the_average_architecture(supernet):
    loss = torch.tensor(1.5)
    found = AddedCost(TABLE, 0.3)(loss, supernet, 0.0)
    expected = 1.5 + 0.3 * (supernet.alphas["op"].softmax(0) * COSTS).sum() / COSTS.mean()
    assert found.item() == pytest.approx(expected.item())
    assert torch.allclose(slope_of(found, supernet), slope_of(expected, supernet))


def test_the_multiplied_cost_is_fbnets(supernet):
    loss = torch.tensor(1.5)
    found = MultipliedCost(TABLE, 0.6)(loss, supernet, 0.5)
    expected = 1.5 * 0.2 * (supernet.alphas["op"].softmax(0) * COSTS).sum().log() ** 0.6
    assert found.item() == pytest.approx(expected.item())
    assert torch.allclose(slope_of(found, supernet), slope_of(expected, supernet))


def test_logarithms_of_latencies_are_those_of_microseconds(supernet):
    table = CostTable("latency_ms", TABLE.space, {frozenset(): 0.25})
    found = MultipliedCost(table, 2.0, scale=1.0)(torch.tensor(1.0), supernet, 0.0)
    assert found.item() == pytest.approx(math.log(250) ** 2)


def test_the_reward_falls_with_a_power_of_the_cost():
    reward = AccuracyAtCost(TABLE, 0.5)
    logits, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0])
    for name, cost in zip(WIDTHS, COSTS.tolist(), strict=True):
        found = reward(logits, labels, Architecture({"op": name})).item()
        assert found == pytest.approx(0.5 * (COSTS.mean().item() / cost) ** 0.5)
