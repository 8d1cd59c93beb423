import math

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.walk import space_of
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When

SCALE = Dim("scale", (1.0, 1.1, 1.5, 2.5))
DEPTH = derived(lambda scale: math.ceil(2 * scale), SCALE)  # 2, 3, 3, 5


@pytest.mark.parametrize(
    ("depth", "depths"),
    [
        ("depth", (-1, 2)),
        ("depth", (1, 1.5)),
        ("depth", ("1", "2")),
        (derived(lambda n: n - 2, Dim("depth", (1, 2))), ()),
    ],
)
def test_depths_that_are_no_numbers_of_blocks_are_refused(depth, depths):
    with pytest.raises(UsageError, match="depths of 'depth' must be whole numbers from 0, got"):
        Repeat(depth, lambda i: AddOne(), depths)


class AddOne(nn.Module):
    def forward(self, x):
        return x + 1


def stack():
    return Repeat(DEPTH, lambda i: AddOne())


def test_a_depth_that_follows_from_a_scale():
    blueprint = Blueprint(stack)
    assert list(blueprint.space.decisions) == ["scale"]
    x = torch.zeros(1)
    for scale, depth in zip(SCALE.options, (2, 3, 3, 5), strict=True):
        arch = Architecture({"scale": scale})
        net = blueprint.build(arch, seed=0)
        assert len(net) == depth
        assert net(x) == depth
        supernet = Supernet(blueprint)
        supernet.activate(arch)
        assert supernet(x) == depth


def test_blocks_are_switched_on_by_the_scales_that_reach_them():
    net = Repeat(DEPTH, lambda i: OneOf(f"op{i}", {"x": nn.Identity, "y": nn.ReLU}))
    space = space_of(net)
    for name in ("op0", "op1"):
        assert space.conditions[name] == frozenset([frozenset()])
    three, five = frozenset([1.1, 1.5, 2.5]), frozenset([2.5])
    for name, scales in (("op2", three), ("op3", five), ("op4", five)):
        assert space.conditions[name] == frozenset([frozenset([When("scale", scales)])])
    assert space.size() == 2**2 + 2 * 2**3 + 2**5


def test_a_mixture_weighs_scales_of_one_depth_together():
    supernet = Supernet(Blueprint(stack), Softmax())
    with torch.no_grad():
        supernet.alphas["scale"].copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]).log())
    assert supernet(torch.zeros(1)).item() == pytest.approx(0.1 * 2 + (0.2 + 0.3) * 3 + 0.4 * 5)


@pytest.mark.parametrize(
    ("depth", "named"), [(3, "none"), (derived(max, Dim("a", (1, 2)), Dim("b", (1, 2))), "a, b")]
)
def test_a_depth_of_no_or_of_several_dimensions_is_refused(depth, named):
    with pytest.raises(UsageError, match=f"follows from one dimension, but this one from {named}"):
        Repeat(depth, lambda i: AddOne())


@pytest.mark.parametrize("stride", [2, 4])
def test_depths_of_different_sizes_are_not_mixed_and_the_reason_is_told(stride):
    """Of one pixel PyTorch would make as many as the other has, and say nothing."""
    blueprint = Blueprint(lambda: Repeat("depth", lambda i: nn.AvgPool2d(stride), (1, 2)))
    supernet = Supernet(blueprint, Softmax())
    with pytest.raises(UsageError, match=f"1×3×{16 // stride}×.* and 1×3×{16 // stride**2}×.*black-box"):
        supernet(torch.rand(1, 3, 16, 16))
    supernet.activate(Architecture({"depth": 2}))
    assert supernet(torch.rand(1, 3, 16, 16)).shape[-1] == 16 // stride**2
