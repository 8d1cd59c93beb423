import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.backbone import Backbone, Feature, all_features, levels_of
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.one_of import OneOf
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.spaces.darts import darts
from nasturtium.spaces.nasbench201 import nasbench201


def conv(in_, out, stride=1):
    return nn.Conv2d(in_, out, 3, stride, 1)


def act(name="act"):
    return OneOf(name, {"relu": nn.ReLU, "tanh": nn.Tanh})


def tail(channels):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2)


def test_a_sequence_shows_the_last_features_at_each_stride_before_they_are_pooled():
    blueprint = Blueprint(lambda: nn.Sequential(conv(3, 4, 4), act(), conv(4, 6, 2), conv(6, 8), *tail(8)))
    assert levels_of(blueprint, 3) == [Feature(1, 2, 4), Feature(3, 3, 8)]


def test_a_backbone_gives_its_taps_and_holds_nothing_behind_them():
    network = nn.Sequential(conv(3, 4, 2), nn.Tanh(), conv(4, 6, 2), *tail(6))
    backbone = Backbone(network, [1, 2])
    x = torch.rand(2, 3, 9, 9)
    first, second = backbone(x)
    assert torch.equal(first, network[:2](x))
    assert torch.equal(second, network[:3](x))
    assert not any(isinstance(m, nn.Linear) for m in backbone.modules())


@pytest.mark.parametrize(
    ("blueprint", "features"),
    [
        (darts((3, 32, 32), 10, channels=4, cells=3), [(0, 16), (1, 32), (2, 64)]),
        (nasbench201((3, 32, 32), 10, channels=4, cells=1), [(0, 4), (1, 8), (2, 16)]),
    ],
)
def test_published_networks_show_their_features(blueprint, features):
    found = levels_of(blueprint, 3)
    assert [(feature.level, feature.channels) for feature in found] == features
    net = blueprint.build(blueprint.space.sample(np.random.default_rng(0)), seed=0).eval()
    outputs = Backbone(net, [f.position for f in found])(torch.rand(2, 3, 33, 35))
    assert [tuple(y.shape) for y in outputs] == [
        (2, channels, -(-33 // 2**level), -(-35 // 2**level)) for level, channels in features
    ]


def test_the_last_features_of_darts_are_what_it_classifies():
    blueprint = darts((3, 32, 32), 10, channels=4, cells=3)
    net = blueprint.build(blueprint.space.sample(np.random.default_rng(0)), seed=0).eval()
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(net.classifier(net.pool(all_features(net)(x)[-1]).flatten(1)), net(x))


@pytest.mark.parametrize("name", ["darts", "nasbench201", "proxylessnas", "fbnet", "nasbench-macro"])
def test_backbones_of_this_collection_keep_their_channels(name):
    features = levels_of(make_space(name, (3, 64, 64), 10), 3)
    assert len(features) >= 3
    assert [f.level for f in features] == sorted({f.level for f in features})


def test_channels_that_are_decisions_are_refused():
    wide = Dim("width", (4, 8))
    blueprint = Blueprint(lambda: nn.Sequential(ElasticConv2d(3, wide, 3), act()))
    with pytest.raises(UsageError, match="channels of its features are decisions .met . at stride 1 and"):
        levels_of(blueprint, 3)
    arch = blueprint.space.validate({"width": 8, "act": "relu"})
    assert levels_of(blueprint, 3, arch) == [Feature(1, 0, 8)]


class Opaque(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = act()

    def forward(self, x):
        return self.act(x)


def test_a_network_that_shows_nothing_is_refused():
    with pytest.raises(UsageError, match="Opaque can't be a backbone: .*give it a method as_backbone"):
        levels_of(Blueprint(Opaque), 3)
    with pytest.raises(UsageError, match="Sequential can't be a backbone: its features are no images"):
        levels_of(Blueprint(lambda: nn.Sequential(nn.Flatten(), act())), 3)


@pytest.mark.parametrize("name", SPACES.names())
def test_every_space_is_a_backbone_or_says_why_not(name):
    entry = SPACES.get(name)
    blueprint = make_space(name, entry.small_shape, 5, entry.small)
    arch = blueprint.space.sample(np.random.default_rng(0))
    try:
        features = levels_of(blueprint, 3, arch)
    except UsageError as error:
        assert "can't be a backbone: " in str(error)  # noqa: PT017 - most networks can
    else:
        assert [f.level for f in features] == sorted({f.level for f in features})
        assert entry.takes == "images"


def test_a_network_that_takes_no_images_is_refused():
    entry = SPACES.get("tabular-mlp")
    with pytest.raises(
        UsageError, match="Sequential can't be a backbone: it does not take images of 3×512×512"
    ):
        levels_of(make_space("tabular-mlp", entry.small_shape, 5, entry.small), 3)
