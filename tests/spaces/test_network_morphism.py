import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.growth.from_sequential import from_sequential
from nasturtium.modules.growth.growing_network import grow
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.decision import Decision
from nasturtium.space.moves import Widen
from nasturtium.space.structure import Place
from nasturtium.spaces.network_morphism import growing, network_morphism
from trained_norms import as_trained


def test_the_base_network_doubles_its_width_at_each_stage():
    base = network_morphism((3, 32, 32), 10).space.base
    assert [base[place].width for place in base.places()] == [16, 32, 64]
    with pytest.raises(UsageError, match="'network-morphism' needs images of at least 4×4 pixels, got 3×32"):
        network_morphism((3, 3, 32), 10)


def test_a_supernet_of_it_is_refused_with_what_to_do_instead():
    with pytest.raises(UsageError, match="weights can't be shared; .* inherit its weights .*grow, or use"):
        Supernet(network_morphism((3, 8, 8), 5))


def test_a_mutation_inherits_the_weights():
    blueprint, rng = network_morphism((3, 8, 8), 5, channels=4, stages=2), np.random.default_rng(0)
    arch = blueprint.space.sample(rng)
    net, x = blueprint.build(arch, seed=0).eval(), torch.randn(2, 3, 8, 8)
    as_trained(net)
    for move in blueprint.space.moves(arch):
        larger, larger_arch = grow(net, move)
        assert larger_arch in blueprint.space
        torch.testing.assert_close(larger(x), net(x), rtol=0, atol=1e-5)
        fresh = blueprint.build(larger_arch, seed=0)
        assert {n: v.shape for n, v in fresh.state_dict().items()} == {
            n: v.shape for n, v in larger.state_dict().items()
        }


def test_a_network_of_ones_own_is_a_base_too():
    own = nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2),
        nn.ReLU(),
        nn.AvgPool2d(3),
        nn.Conv2d(4, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 3),
    )
    net = from_sequential(own)
    blueprint = growing(net, (1, 9, 9), steps=3)
    rng = np.random.default_rng(0)
    for _ in range(5):
        made = blueprint.build(blueprint.space.sample(rng), seed=0)
        assert made(*blueprint.inputs(2)).shape == (2, 3)
        assert isinstance(made.pools[0], nn.AvgPool2d)
    assert grow(net, Widen(Place(2, 1), 12))[1] in blueprint.space
    with pytest.raises(UsageError, match="growing takes a GrowingNetwork, got Sequential"):
        growing(own, (1, 9, 9))


def test_training_settings_do_not_change_the_network():
    rate = Decision("train/learning_rate", (0.1, 0.2), ordered=True)
    blueprint = network_morphism((3, 8, 8), 5, channels=4, stages=2).with_settings([rate])
    arch = blueprint.space.sample(np.random.default_rng(0))
    assert arch["train/learning_rate"] in (0.1, 0.2)
    assert blueprint.build(arch, seed=0)(*blueprint.inputs(2)).shape == (2, 5)
