import pytest
import torch
from torch import Tensor, nn

from nasturtium.core.errors import CannotSearch
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Building, building
from nasturtium.modules.derive import derive
from nasturtium.modules.edge import Edge
from nasturtium.modules.ops import OPS
from nasturtium.modules.partial import shuffle, split
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

NAMES = ("sep_conv_3x3", "skip_connect", "max_pool_3x3_bn")
POOL = {1: nn.Identity(), 2: nn.MaxPool2d(2, 2, ceil_mode=True)}


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """The definition: channels as a matrix of `groups` rows, transposed."""
    rows = x.view(x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    return rows.transpose(1, 2).reshape(x.shape)


@pytest.mark.parametrize("shape", [(2, 12), (2, 12, 5, 4)], ids=["vectors", "images"])
@pytest.mark.parametrize("part", [2, 3, 4])
def test_shuffling_is_that_of_all_channels_in_groups(shape, part):
    x = torch.arange(float(torch.Size(shape).numel())).view(shape)
    first, rest = split(x, part, 1)
    assert first.shape[1] == 12 // part
    assert torch.equal(torch.cat([first, rest], dim=1), x)
    assert torch.equal(shuffle(first, rest, part), channel_shuffle(x, part))


@pytest.mark.parametrize("size", [4, 5, 7])
def test_what_passes_by_a_reduction_has_the_size_of_what_is_convolved(size):
    x = torch.rand(1, 8, size, size)
    first, rest = split(x, 4, 2)
    assert rest.shape == (1, 6, *nn.Conv2d(2, 2, 3, 2, 1)(first).shape[2:])
    assert torch.equal(rest[:, :, 0, 0], x[:, 2:, :2, :2].amax(dim=(2, 3)))


def edges(stride: int) -> Blueprint:
    return Blueprint(lambda: Edge("op", {name: OPS.get(name) for name in NAMES}, 8, stride))


@pytest.mark.parametrize("stride", [1, 2])
def test_an_edge_mixes_its_operations_on_the_first_channels_only(stride):
    supernet = Supernet(edges(stride), PartialChannels(4), seed=1)
    with torch.no_grad():
        supernet.alphas["op"].copy_(torch.tensor([0.5, -1.0, 2.0]))
    x = torch.randn(3, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    ops = list(supernet.net.candidates.values())
    p = supernet.alphas["op"].softmax(dim=0)
    mixed = sum(p[i] * op(x[:, :2]) for i, op in enumerate(ops))
    expected = channel_shuffle(torch.cat([mixed, POOL[stride](x[:, 2:])], dim=1), 4)
    torch.testing.assert_close(supernet(x), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("op", NAMES)
def test_a_path_is_the_derived_module(op, stride):
    supernet = Supernet(edges(stride), PartialChannels(2), seed=1).eval()
    arch = Architecture({"op": op})
    supernet.activate(arch)
    x = torch.randn(3, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    plain = derive(supernet.net, arch)
    assert not any(isinstance(module, Edge) for module in plain.modules())
    assert torch.equal(supernet(x), plain(x))


def test_channels_that_make_no_equal_parts_are_refused_with_the_edge():
    with (
        building(Building(part=4)),
        pytest.raises(CannotSearch, match="edge 'cell/2<-0' has 6 channels.*4 equal parts.*multiple of 4"),
    ):
        Edge("cell/2<-0", {"skip_connect": OPS.get("skip_connect")}, 6)
