"""Networks of the mobile spaces compute what timm's compute, given timm's weights."""

import pytest
import torch
from torch import Tensor, nn

from nasturtium.spaces import efficientnet, fbnet, mnasnet, mobilenetv3
from nasturtium.spaces.base import make_space


def as_trained(net: nn.Module, images_BCHW: Tensor) -> None:
    """BatchNorm scales and shifts that are not one and zero, and statistics of images, so that the output
    depends on the input through all layers."""
    generator = torch.Generator().manual_seed(1)
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    with torch.no_grad():
        for layer in norms:
            layer.momentum = 1.0
            layer.weight.uniform_(0.5, 1.5, generator=generator)
            layer.bias.normal_(0, 0.5, generator=generator)
        net.train()(images_BCHW)
    net.eval()


def load_in_order(net: nn.Module, theirs: nn.Module) -> None:
    """Copy entry by entry: both list their layers in the order of the computation. A fully connected layer
    may be a 1×1 convolution there."""
    ours, given = net.state_dict(), theirs.state_dict()
    assert [name.split(".")[-1] for name in ours] == [name.split(".")[-1] for name in given]
    pairs = zip(ours.items(), given.values(), strict=True)
    net.load_state_dict({name: value.reshape(mine.shape) for (name, mine), value in pairs})


@pytest.mark.parametrize(
    ("name", "space", "sizes", "arch", "side"),
    [
        ("efficientnet_b0", "efficientnet", {}, efficientnet.published(0), 224),
        ("efficientnet_b1", "efficientnet", {}, efficientnet.published(1), 240),
        ("efficientnet_b4", "efficientnet", {"resolution": 64}, efficientnet.published(4), 109),
        ("mobilenetv3_large_100", "mobilenetv3", {}, mobilenetv3.LARGE, 64),
        ("mobilenetv3_small_100", "mobilenetv3", {"small": 1}, mobilenetv3.SMALL, 64),
        ("mnasnet_100", "mnasnet", {}, mnasnet.B1, 64),
        ("semnasnet_100", "mnasnet", {}, mnasnet.A1, 64),
        ("fbnetc_100", "fbnet", {}, fbnet.FBNET_C, 64),
    ],
)
def test_a_network_computes_what_timm_does(timm, name, space, sizes, arch, side):
    images_BCHW = torch.rand(8, 3, side, side, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    theirs = timm.create_model(name)
    as_trained(theirs, images_BCHW)
    if "resolution" in sizes:
        arch = {**arch, "scale/resolution": side}  # timm's networks take images of any size
    blueprint = make_space(space, (3, side, side), 1000, sizes)
    net = blueprint.build(blueprint.space.validate(arch), seed=2).eval()
    load_in_order(net, theirs)
    with torch.no_grad():
        expected, found = theirs(images_BCHW[:2]), net(images_BCHW[:2])
    assert (expected[0] - expected[1]).abs().mean() > 0.01  # the images make a difference
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
