import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.resize import Bilinear
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.base import make_space
from nasturtium.spaces.efficientnet import efficientnet, published


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"resolution": 31}, "resolution of at least 32, got 31"),
        ({"resolution": 7, "cifar": 1}, "resolution of at least 8, got 7"),
        ({"largest": 8}, "goes up to B7, got largest=8"),
        ({"largest": 0}, "'largest' must be at least 1"),
    ],
)
def test_sizes_that_make_no_network_are_refused(sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("efficientnet", (3, 32, 32), 10, sizes)


def test_resolutions_that_round_to_one_are_one_option():
    space = make_space("efficientnet", (3, 8, 8), 10, {"resolution": 8, "cifar": 1}).space
    assert space.decisions["scale/resolution"].options == (8, 9, 11, 14, 16, 19, 21)
    assert space.size() > 1


@pytest.mark.parametrize("number", [8, -1, 1.0, True, None, "B0"])
def test_an_unknown_published_network_is_refused(number):
    with pytest.raises(UsageError, match=rf"EfficientNet-B{number} is unknown; there are B0 to B7"):
        published(number)


@pytest.mark.parametrize("resolution", [8, 9, 13, 32, 100, 224])
def test_the_published_networks_are_points_at_any_resolution(resolution):
    blueprint = make_space("efficientnet", (3, 8, 8), 10, {"resolution": resolution, "cifar": 1})
    assert list(blueprint.points) == [f"EfficientNet-B{n}" for n in range(8)]
    assert [blueprint.space.why_not(arch) for arch in blueprint.points.values()] == [None] * 8
    smaller = make_space("efficientnet", (3, 8, 8), 10, {"largest": 2, "cifar": 1})
    assert list(smaller.points) == ["EfficientNet-B0", "EfficientNet-B1", "EfficientNet-B2"]


def test_depth_and_width_grow_as_published():
    """B4: 1.8 times the blocks of each stage and 1.4 times the channels."""
    with torch.device("meta"):
        net = efficientnet((3, 380, 380), 1000).build(published(4), seed=0)
    stages = [part for part in net if isinstance(part, nn.Sequential)][1:-1]
    assert [len(stage) for stage in stages] == [2, 4, 4, 6, 6, 8, 2]
    widths = [
        [layer for layer in s.modules() if isinstance(layer, nn.Conv2d)][-1].out_channels for s in stages
    ]
    assert widths == [24, 32, 56, 112, 160, 272, 448]


@pytest.mark.parametrize(("side", "kind"), [(224, nn.Identity), (200, Bilinear)])
def test_images_are_brought_to_the_resolution_where_they_have_another(side, kind):
    with torch.device("meta"):
        net = efficientnet((3, side, side), 10).build(published(0), seed=0)
    assert isinstance(net[0], kind)


def test_larger_networks_contain_the_weights_of_smaller_ones():
    blueprint = efficientnet((3, 16, 16), 5, width=25, resolution=16, largest=2, cifar=1)
    supernet = Supernet(blueprint).train()
    smallest = {"scale/depth": 1.0, "scale/width": 1.0, "scale/resolution": 16}
    supernet.activate(blueprint.space.validate(smallest))
    supernet(torch.rand(2, 3, 16, 16)).sum().backward()
    used = sum(weight.grad is not None for weight in supernet.weights())
    assert used < len(supernet.weights())
    assert all(block_weight.grad is None for block_weight in supernet.net[2].blocks[1].parameters())
