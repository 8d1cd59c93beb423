"""Sizes that other modules decide, strides that are decisions, shortcuts that come and go."""

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Gate, Undecided
from nasturtium.modules.derive import derive
from nasturtium.modules.dims import Computed, Dim, derived, possible
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.elastic.shortcut import ElasticShortcut
from nasturtium.modules.repeat import Repeat
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture


class Widening(nn.Module):
    """One or two blocks, each of which may double the width; the head's width depends on all of that."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = [Dim(f"block{i}/widen", (1, 2)) for i in (1, 2)]
        self.stride = Dim("block1/stride", (1, 2))
        first = derived(lambda a: 4 * a, self.factors[0])
        second = derived(lambda a, b: 4 * a * b, *self.factors)
        shapes = ((4, first, self.stride), (first, second, 1))

        def block(i: int) -> nn.Module:
            in_, out, stride = shapes[i]
            return ElasticConv2d(in_, out, 3, stride=stride)

        self.shortcut = ElasticShortcut(4, first, stride=self.stride)
        self.blocks = Repeat("depth", block, (1, 2))
        reads = tuple(dim.decision for dim in self.factors)
        width = Computed(lambda v: 4 * v["block1/widen"] * v.get("block2/widen", 1), reads, (4, 8, 16))
        self.head = ElasticLinear(width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.blocks(x)
        side = self.shortcut(x).flatten(2).mean(2)
        return self.head(y.flatten(2).mean(2)), side


ONE = Architecture({"depth": 1, "block1/widen": 2, "block1/stride": 2})
TWO = Architecture({"depth": 2, "block1/widen": 1, "block1/stride": 1, "block2/widen": 2})


def test_a_computed_size_makes_no_decision_active():
    space = Blueprint(Widening).space
    assert list(space.decisions) == ["block1/widen", "block1/stride", "depth", "block2/widen"]
    assert space.size() == 4 * (1 + 2)
    assert ONE in space
    assert TWO in space


@pytest.mark.parametrize("arch", [ONE, TWO])
def test_the_path_of_a_supernet_is_the_built_network(arch):
    blueprint = Blueprint(Widening)
    supernet = Supernet(blueprint, seed=1).eval()
    supernet.activate(arch)
    x = torch.rand(2, 4, 6, 5)
    plain = derive(supernet.net, arch)
    with torch.no_grad():
        for a, b in zip(supernet(x), plain(x), strict=True):
            torch.testing.assert_close(a, b)
    built = blueprint.build(arch, seed=0)
    assert [p.shape for p in built.parameters()] == [p.shape for p in plain.parameters()]


def test_a_stride_is_part_of_the_derived_convolution():
    one, two = (Blueprint(Widening).build(arch, seed=0) for arch in (ONE, TWO))
    assert one.blocks[0].stride == (2, 2)
    assert two.blocks[0].stride == (1, 1)
    assert one.head.in_features == two.head.in_features == 8


def test_a_shortcut_projects_only_where_the_shape_changes():
    for arch, kind in ((ONE, nn.Sequential), (TWO, nn.Identity)):
        assert type(Blueprint(Widening).build(arch, seed=0).shortcut) is kind
    shortcut = ElasticShortcut(4, 4)
    x = torch.rand(1, 4, 3, 3)
    assert shortcut(x) is x
    assert list(shortcut.parameters()) == []


def test_a_computed_size_needs_gates_with_one_option():
    sizes = Computed(lambda values: int(values["a"]), (Dim("a", (1, 2)).decision,), (1, 2))
    assert list(possible(sizes)) == [1, 2]
    layer = ElasticLinear(sizes, 2)
    with pytest.raises(Undecided, match="'a' of this ElasticLinear is undecided"):
        layer(torch.rand(1, 1))
    layer.connect({"a": Gate((0, 1))})
    with pytest.raises(UsageError, match="ElasticLinear needs one option of 'a' but got a mixture of 2"):
        layer(torch.rand(1, 1))
    layer.connect({"a": Gate((1,))})
    assert layer(torch.rand(1, 2)).shape == (1, 2)


def test_a_dilated_convolution_reaches_further_and_keeps_the_size():
    kernel = Dim("kernel", (3, 5))
    blueprint = Blueprint(lambda: ElasticConv2d(1, 1, kernel, dilation=2))
    supernet, x = Supernet(blueprint), torch.randn(1, 1, 7, 9)
    for size in kernel.options:
        arch = Architecture({"kernel": size})
        conv = derive(supernet.net, arch)
        assert (conv.kernel_size[0], conv.dilation, conv.padding) == (size, (2, 2), (size - 1, size - 1))
        supernet.activate(arch)
        assert conv(x).shape == x.shape
        torch.testing.assert_close(supernet(x), conv(x))


@pytest.mark.parametrize("momentum", [None, 0.0, 0.3])
def test_statistics_of_an_elastic_batchnorm_follow_its_momentum(momentum):
    """None is the mean over all batches, as recalibrations use it."""
    supernet = Supernet(Blueprint(lambda: ElasticBatchNorm2d(Dim("w", (2, 3))))).train()
    supernet.net.largest.momentum = momentum
    arch = Architecture({"w": 2})
    plain = derive(supernet.net, arch)
    supernet.activate(arch)
    for seed in range(3):
        x = 1 + 2 * torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(supernet(x), plain(x))
    after = derive(supernet.net, arch)
    assert (after.momentum, after.eps) == (momentum, plain.eps)
    for found, expected in zip(after.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(found, expected)
