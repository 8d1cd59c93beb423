import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from module_examples import BLUEPRINTS, images, nested
from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice, Undecided
from nasturtium.modules.derive import derive
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from trained_norms import as_trained


def samples(blueprint: Blueprint, number: int) -> list[Architecture]:
    rng = np.random.default_rng(0)
    return [blueprint.space.sample(rng) for _ in range(number)]


@pytest.mark.parametrize("relaxation", [None, Softmax()], ids=["single path", "in a mixture"])
@pytest.mark.parametrize("name", BLUEPRINTS)
def test_the_derived_network_equals_the_path_bit_for_bit(name, relaxation):
    blueprint = BLUEPRINTS[name]
    if relaxation is not None and name.startswith("elastic"):
        pytest.skip("elastic layers take part in no mixture")
    supernet = Supernet(blueprint, relaxation, seed=1)
    as_trained(supernet.net)
    supernet.eval()
    outputs = []
    for arch in samples(blueprint, 12):
        supernet.activate(arch)
        plain = derive(supernet.net, arch)
        with torch.no_grad():
            expected = supernet(images())
            assert torch.equal(plain(images()), expected)
        outputs.append(expected)
    assert len({y.numpy().tobytes() for y in outputs}) > 1


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_training_a_path_trains_what_is_derived(name):
    """Real steps on random paths: shared weights and statistics move, and derived networks get them."""
    blueprint = BLUEPRINTS[name]
    supernet = Supernet(blueprint, seed=0).train()
    optimizer = torch.optim.SGD(supernet.weights(), 0.05, momentum=0.9)
    archs = samples(blueprint, 4)
    for step, arch in enumerate(archs):
        supernet.activate(arch)
        optimizer.zero_grad()
        supernet(images(8, seed=step)).square().mean().backward()
        optimizer.step()
    supernet.eval()
    for arch in archs:
        supernet.activate(arch)
        with torch.no_grad():
            assert torch.equal(derive(supernet.net, arch)(images()), supernet(images()))


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_derived_and_built_networks_are_plain_and_have_the_same_layers(name):
    blueprint = BLUEPRINTS[name]
    supernet = Supernet(blueprint)
    for arch in samples(blueprint, 4):
        plain, built = derive(supernet.net, arch), blueprint.build(arch, seed=0)
        for net in (plain, built):
            assert not any(isinstance(module, Choice) for module in net.modules())
        shapes = [{n: tuple(p.shape) for n, p in net.state_dict().items()} for net in (plain, built)]
        assert shapes[0] == shapes[1]
        assert str(plain) == str(built)


def test_derived_networks_own_their_weights():
    supernet = Supernet(BLUEPRINTS["elastic"])
    arch = samples(BLUEPRINTS["elastic"], 1)[0]
    before = copy.deepcopy(supernet.net.state_dict())
    plain = derive(supernet.net, arch)
    with torch.no_grad():
        for tensor in plain.state_dict().values():
            tensor.add_(1)
    assert all(torch.equal(before[name], t) for name, t in supernet.net.state_dict().items())


def test_deriving_leaves_the_global_generator_alone():
    supernet = Supernet(BLUEPRINTS["elastic"])
    before = torch.get_rng_state()
    derive(supernet.net, samples(BLUEPRINTS["elastic"], 1)[0])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("training", [True, False])
def test_the_derived_network_is_in_the_mode_of_its_source(training):
    net = Supernet(BLUEPRINTS["elastic"]).net.train(training)
    plain = derive(net, samples(BLUEPRINTS["elastic"], 1)[0])
    assert all(module.training is training for module in plain.modules())


def test_the_derived_network_has_the_number_type_of_its_source():
    net = Supernet(BLUEPRINTS["elastic"]).net.double()
    plain = derive(net, samples(BLUEPRINTS["elastic"], 1)[0])
    assert {p.dtype for p in plain.parameters()} == {torch.float64}
    assert plain(images().double()).dtype == torch.float64


def test_shared_weights_stay_shared():
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
            self.second.weight = self.first.weight
            self.twice = self.first
            self.act = OneOf("act", {"relu": nn.ReLU, "silu": nn.SiLU})

    plain = derive(Tied(), Architecture({"act": "relu"}))
    assert plain.twice is plain.first
    assert plain.second.weight is plain.first.weight


def test_a_wrong_architecture_is_refused_by_name():
    with pytest.raises(UsageError, match="'depth' got 7; allowed: 1, 2, 3"):
        derive(nested(), Architecture({"depth": 7}))


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_an_undecided_network_says_what_to_do(name):
    net = BLUEPRINTS[name].make()
    with pytest.raises(Undecided, match=r"decision '.+' of this \w+ is undecided.*Supernet.*derive"):
        net(images())


@pytest.mark.parametrize("again", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
@pytest.mark.parametrize("name", ["darts", "nasbench201"])
def test_a_supernet_can_be_copied_after_a_pass(name, again):
    supernet = Supernet(BLUEPRINTS[name], Softmax(), seed=0)
    supernet(images()).sum()
    twin = again(supernet).eval()
    supernet.eval()
    assert torch.equal(twin(images()), supernet(images()))
    with torch.no_grad():
        for alpha in twin.alphas.values():
            alpha.add_(torch.arange(len(alpha)))
    assert not torch.allclose(twin(images()), supernet(images()))
    assert twin.architecture() != supernet.architecture()


def test_a_choice_can_be_copied_after_a_pass_with_a_graph():
    supernet = Supernet(BLUEPRINTS["cells"], Softmax())
    supernet(images()).sum()
    twin = copy.deepcopy(supernet.net)
    with pytest.raises(Undecided):
        twin(images())


@pytest.mark.parametrize("name", ["darts", "nasbench201"])
@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 8, 2), (4, 11, 3), (2, 13, 7)])
def test_spaces_take_any_channels_sizes_and_classes(name, channels, size, classes):
    from nasturtium.spaces.base import make_space

    blueprint = make_space(name, (channels, size, size), classes, {"channels": 4, "cells": 3})
    supernet = Supernet(blueprint, Softmax()).eval()
    assert supernet(images(2, size, channels=channels)).shape == (2, classes)
    for arch in samples(blueprint, 3):
        assert blueprint.build(arch, seed=0)(images(2, size, channels=channels)).shape == (2, classes)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda d: ElasticLinear(8, d), "ElasticLinear needs one option of 'w'.*mixture of 2"),
        (lambda d: ElasticBatchNorm2d(d), "ElasticBatchNorm2d needs one option of 'w'"),
        (lambda d: ElasticConv2d(8, d, 3), "ElasticConv2d needs one option of 'w'"),
    ],
)
def test_elastic_layers_refuse_a_mixture_by_name(layer, message):
    blueprint = Blueprint(lambda: layer(Dim("w", (4, 8))))
    with pytest.raises(UsageError, match=message):
        Supernet(blueprint, Softmax())


def test_senseless_elastic_layers_are_refused():
    with pytest.raises(UsageError, match="'w': sizes must be numbers more than 0"):
        Dim("w", (0, 4))
    for options in (("4",), (None, 4)):
        with pytest.raises(UsageError, match="'w': sizes must be numbers"):
            Dim("w", options)
    assert Dim("w", [4, 8]) == Dim("w", (4, 8))
    with pytest.raises(UsageError, match="must be odd, got \\[2, 3\\]"):
        ElasticConv2d(4, 4, Dim("k", (2, 3)))
    with pytest.raises(UsageError, match="depthwise layer keeps its width"):
        ElasticConv2d(4, Dim("w", (4, 8)), 3, depthwise=True)


def test_an_elastic_layer_uses_the_first_channels_and_the_centre_of_the_kernel():
    width, kernel = Dim("w", (2, 4)), Dim("k", (1, 5))
    layer = ElasticConv2d(3, derived(lambda w: 2 * w, width), kernel)
    plain = derive(layer, Architecture({"w": 2, "k": 1}))
    assert torch.equal(plain.weight, layer.weight[:4, :, 2:3, 2:3])
    assert torch.equal(plain.bias, layer.bias[:4])
    assert layer.weight.shape == (8, 3, 5, 5)
