"""Searches on sampled gates: the same again, also when interrupted, and each learns what is best."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from nasturtium.hardware.cost_table import CostTable
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.example import random_images
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.bilevel import Bilevel, Found
from nasturtium.oneshot.penalties import AddedCost, MultipliedCost
from nasturtium.oneshot.policy_gradient import AccuracyAtCost, PolicyGradient, accuracy_alone
from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel
from nasturtium.oneshot.relaxations.policy import Policy
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.nasbench201 import nasbench201
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric

FABRIC = make_fabric("cpu")
SETTINGS = BilevelSettings(epochs=3, batch_size=16, alpha_learning_rate=0.1)
SHAPE = (1, 8, 8)


class Killed(Exception):
    pass


def images(number: int, *, seed: int) -> ImageSet:
    """Dark, grey and bright ones."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % 3
    pixels = torch.randint(60, (number, *SHAPE), generator=generator) + 80 * labels.view(-1, 1, 1, 1)
    return ImageSet(pixels.to(torch.uint8), labels, ("a", "b", "c"))


TRAIN, VALID = images(48, seed=0), images(48, seed=1)


def cells() -> Blueprint:
    return nasbench201(SHAPE, 3, channels=4, cells=1)


def search(kind: str, blueprint: Blueprint, settings=SETTINGS) -> tuple[Supernet, Bilevel]:
    relaxation, step, penalties = parts_of(kind, blueprint.with_example(random_images(SHAPE)))
    net = Supernet(blueprint, relaxation)
    return net, Bilevel(net, step, settings, fabric=FABRIC, seed=0, penalties=penalties)


def parts_of(kind: str, blueprint: Blueprint):
    def table() -> CostTable:
        return CostTable.measured("flops", blueprint, blueprint.inputs)

    if kind == "joint":
        return Gumbel(), None, []
    if kind == "gumbel":
        return Gumbel(), FirstOrder(), [MultipliedCost(table(), 0.6)]
    if kind == "hard":
        return HardGumbel(), FirstOrder(), []
    if kind == "binary":
        return Binary(), FirstOrder(), [AddedCost(table(), 1.0)]
    policy = Policy(blueprint.space)
    reward = AccuracyAtCost(table(), 0.1) if blueprint.mixes else accuracy_alone
    return policy, PolicyGradient(policy, reward, paths=3), []


def told(found: Found) -> list:
    return [found.architecture, [replace(epoch, cost={}) for epoch in found.curve]]


KINDS = ["joint", "gumbel", "hard", "binary", "policy"]


@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_after_the_first_epoch_it_ends_as_if_it_never_was(kind, tmp_path):
    whole, loop = search(kind, cells())
    expected = loop.run(TRAIN, VALID)

    def stop(epoch):
        raise Killed

    checkpoints = Checkpoints(tmp_path, "search")
    with pytest.raises(Killed):
        search(kind, cells())[1].run(TRAIN, VALID, checkpoints=checkpoints, on_epoch=stop)
    resumed, loop = search(kind, cells())
    assert told(loop.run(TRAIN, VALID, checkpoints=checkpoints)) == told(expected)
    one, other = whole.state_dict(), resumed.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_only_forward_passes_are_counted_for_the_policy():
    cost = search("policy", cells())[1].run(TRAIN, VALID, steps=2).cost
    assert (cost.forward, cost.backward) == (3 * 2 * (3 + 1), 3 * 2)


def useful_or_not() -> nn.Module:
    """Of four options one lets the image's brightness through, which is all that tells the classes."""
    options = {"zero": Forget, "brightness": nn.Identity, "again zero": Forget, "third zero": Forget}
    body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), OneOf("op", options))
    return nn.Sequential(body, nn.Linear(1, 16), nn.ReLU(), nn.Linear(16, 3))


class Forget(nn.Module):
    """Zeros."""

    def forward(self, x):
        return 0 * x


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_which_option_tells_the_classes_apart(kind):
    # warmed up alone, weights make the most of each option before the options are compared
    settings = SETTINGS.model_copy(update={"epochs": 40, "learning_rate": 0.1, "warmup": 0.5})
    net, loop = search(kind, Blueprint(useful_or_not), settings)
    found = loop.run(TRAIN, VALID)
    assert found.architecture["op"] == "brightness"
    assert net.probabilities()["op"][1].item() > 0.5


def test_the_policy_searches_sizes_that_no_mixture_can():
    def make() -> nn.Module:
        width = Dim("width", (1, 8))
        body = nn.Sequential(ElasticLinear(64, width), nn.ReLU(), ElasticLinear(width, 3))
        return nn.Sequential(nn.Flatten(), body)

    found = search("policy", Blueprint(make))[1].run(TRAIN, VALID)
    assert found.architecture["width"] in (1, 8)
