"""Blocks of mobile networks with elastic sizes: a path is what the derived network computes."""

import itertools

import pytest
import torch
from torch import nn

from module_examples import images
from nasturtium.modules.blocks.mbconv import conv_block, inverted, residual, round_channels, strides
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.derive import derive
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.conv import ElasticConv2d, conv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d, batch_norm2d
from nasturtium.modules.resize import Bilinear, Resize
from nasturtium.modules.shortcut import Residual, Shortcut
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from trained_norms import as_trained


def excited_block() -> nn.Module:
    """An inverted residual block of elastic width, kernel, and squeeze-and-excitation."""
    width = Dim("width", (4, 8))
    middle = derived(lambda channels, ratio: int(channels * ratio), width, Dim("ratio", (1.5, 3.0)))
    reduced = derived(lambda channels: channels // 2, middle)
    body = inverted(width, middle, width, Dim("kernel", (1, 3, 5)), excite=SqueezeExcite(middle, reduced))
    return nn.Sequential(conv_block(3, width, 3, stride=2), residual(body, width, width, 1))


def connected() -> nn.Module:
    return Shortcut(
        "skip", nn.Conv2d(3, 3, 3, padding=1), {"none": None, "same": nn.Identity, "soft": nn.Sigmoid}
    )


def resized() -> nn.Module:
    return Resize(Dim("size", (6, 8, 12)), 8, 10)


@pytest.mark.parametrize("make", [excited_block, connected, resized])
def test_a_path_is_the_derived_network(make):
    supernet = Supernet(Blueprint(make)).eval()
    as_trained(supernet)
    x = torch.rand(2, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    for arch in supernet.space.enumerate():
        supernet.activate(arch)
        assert torch.equal(supernet(x), derive(supernet.net, arch)(x))


def test_widths_and_kernels_are_slices():
    supernet = Supernet(Blueprint(excited_block)).eval()
    arch = Architecture({"width": 4, "ratio": 1.5, "kernel": 3})
    body = derive(supernet.net, supernet.space.validate(arch))[1].body
    whole = supernet.net[1].body
    assert [layer.weight.shape[0] for layer in body if isinstance(layer, nn.Conv2d)] == [6, 6, 4]
    assert torch.equal(body[3].weight, whole[3].weight[:6, :, 1:4, 1:4])
    assert torch.equal(body[6].reduce.weight, whole[6].reduce.weight[:3, :6])


def test_squeeze_and_excitation_scales_channels_by_their_means():
    layer = SqueezeExcite(2, 1, gate=nn.Hardsigmoid)
    with torch.no_grad():
        layer.reduce.weight.copy_(torch.tensor([[[[1.0]], [[2.0]]]]))
        layer.reduce.bias.zero_()
        layer.expand.weight.copy_(torch.tensor([[[[1.0]]], [[[-1.0]]]]))
        layer.expand.bias.zero_()
    x = torch.tensor([[[[1.0, 3.0]], [[0.0, 0.5]]]])  # means 2 and 0.25, squeezed 2.5
    expected = x * torch.tensor([2.5 + 3, 3 - 2.5]).reshape(1, 2, 1, 1) / 6
    torch.testing.assert_close(layer(x), expected)


def test_plain_layers_where_nothing_is_to_be_chosen():
    width = Dim("width", (4, 8))
    assert type(conv2d(3, 4, 3)) is nn.Conv2d
    assert type(batch_norm2d(4)) is nn.BatchNorm2d
    assert type(conv2d(3, width, 3)) is ElasticConv2d
    assert type(batch_norm2d(width)) is ElasticBatchNorm2d


def test_a_block_adds_its_input_only_where_the_shape_stays():
    for in_, out, stride in itertools.product((4,), (4, 8), (1, 2)):
        block = residual(inverted(in_, 12, out, 3, stride=stride), in_, out, stride)
        assert isinstance(block, Residual) == (in_ == out and stride == 1)
        assert block(torch.rand(2, in_, 7, 7)).shape == (
            2,
            out,
            7 // stride + 7 % stride,
            7 // stride + 7 % stride,
        )


def test_no_connection_leaves_the_body_alone():
    blueprint = Blueprint(connected)
    assert type(blueprint.build(Architecture({"skip": "none"}), seed=0)) is nn.Conv2d
    net = blueprint.build(Architecture({"skip": "same"}), seed=0)
    x = images()
    torch.testing.assert_close(net(x), x + net.body(x))


def test_a_mixture_of_connections_weighs_them():
    supernet = Supernet(Blueprint(connected), Softmax())
    with torch.no_grad():
        supernet.alphas["skip"].copy_(torch.tensor([1.0, 2.0, 5.0]).log())
    x = images()
    expected = supernet.net.body(x) + x * 2 / 8 + torch.sigmoid(x) * 5 / 8
    torch.testing.assert_close(supernet(x), expected)


@pytest.mark.parametrize(("size", "shape"), [(6, (6, 8)), (8, (8, 10)), (12, (12, 15))])
def test_the_shorter_side_is_brought_to_the_size(size, shape):
    net = Blueprint(resized).build(Architecture({"size": size}), seed=0)
    assert isinstance(net, nn.Identity if size == 8 else Bilinear)
    x = torch.rand(2, 3, 8, 10)
    assert net(x).shape == (2, 3, *shape)
    flat = torch.full((1, 3, 8, 10), 0.5)
    torch.testing.assert_close(net(flat), torch.full((1, 3, *shape), 0.5))


def test_small_images_keep_their_size_twice():
    assert strides(2, (1, 2, 2, 2, 1, 2, 1), cifar=False) == (2, (1, 2, 2, 2, 1, 2, 1))
    assert strides(2, (1, 2, 2, 2, 1, 2, 1), cifar=True) == (1, (1, 1, 2, 2, 1, 2, 1))


@pytest.mark.parametrize(
    ("channels", "rounded"), [(3, 8), (12, 16), (17, 16), (18, 24), (19.2, 24), (88.08, 88), (184.0, 184)]
)
def test_widths_are_multiples_of_eight_and_no_tenth_less(channels, rounded):
    assert round_channels(channels) == rounded
