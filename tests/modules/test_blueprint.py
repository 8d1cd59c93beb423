from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from module_examples import BLUEPRINTS, images
from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS, SepConv
from nasturtium.modules.repeat import Repeat
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.spaces.base import SPACES, make_space


def same_state(a: nn.Module, b: nn.Module) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_only_the_chosen_candidates_are_built():
    built: list[str] = []

    def counting(name: str) -> nn.Module:
        built.append(name)
        return nn.Identity()

    def block(i: int) -> nn.Module:
        inner = {"x": partial(counting, "x"), "y": nn.ReLU}
        ops = {op: partial(counting, f"{op}{i}") for op in "abc"}
        return OneOf(f"op{i}", {**ops, "nest": lambda: OneOf("in", inner)})

    blueprint = Blueprint(lambda: Repeat("depth", block, (1, 2, 5)))
    # 3^d ways without the decision `in` that blocks share, and the rest of 4^d twice
    assert blueprint.space.size() == sum(3**d + 2 * (4**d - 3**d) for d in (1, 2, 5))
    built.clear()
    blueprint.build(Architecture({"depth": 2, "op0": "b", "op1": "nest", "in": "x"}), seed=0)
    assert built == ["b0", "x"]


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_weights_depend_on_architecture_and_seed_alone(name):
    blueprint = BLUEPRINTS[name]
    arch = blueprint.space.sample(np.random.default_rng(1))
    before = torch.get_rng_state()
    net = blueprint.build(arch, seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert same_state(net, blueprint.build(arch, seed=3))
    assert not same_state(net, blueprint.build(arch, seed=4))


def test_weights_do_not_depend_on_what_else_the_space_holds():
    def network(ops: list[str], depths: tuple[int, ...], widths: tuple[int, ...]) -> nn.Module:
        factories = {op: partial(OPS.get(op), 4, 1) for op in ops}
        return nn.Sequential(
            Repeat("depth", lambda i: OneOf(f"op{i}", factories), depths),
            nn.Flatten(),
            ElasticLinear(256, Dim("width", widths)),
        )

    arch = Architecture({"depth": 2, "op0": "sep_conv_3x3", "op1": "nor_conv_3x3", "width": 6})
    small = Blueprint(lambda: network(["sep_conv_3x3", "nor_conv_3x3"], (2,), (6,)))
    large = Blueprint(
        lambda: network(["dil_conv_5x5", "nor_conv_3x3", "none", "sep_conv_3x3"], (1, 2, 4), (6, 9))
    )
    assert same_state(small.build(arch, seed=0), large.build(arch, seed=0))


def test_the_space_is_read_without_allocating_weights():
    """Ten million gigabytes of them."""
    blueprint = Blueprint(
        lambda: OneOf("size", {"big": lambda: nn.Linear(10**8, 10**8), "small": lambda: nn.Linear(1, 1)})
    )
    before = torch.get_rng_state()
    assert blueprint.space.size() == 2
    assert torch.equal(torch.get_rng_state(), before)
    assert blueprint.build(Architecture({"size": "small"}), seed=0).weight.device.type == "cpu"


def test_an_architecture_of_another_space_is_refused():
    with pytest.raises(UsageError, match="'depth' is missing; allowed: 1, 2, 3"):
        BLUEPRINTS["nested"].build(Architecture({}), seed=0)


def test_settings_join_the_space_but_not_the_network():
    plain = BLUEPRINTS["inputs"]
    joint = plain.with_settings([Decision("train/rate", (0.1, 0.01), ordered=True)])
    assert joint.space.size() == 2 * plain.space.size()
    arch = plain.space.sample(np.random.default_rng(0))
    with_rate = Architecture({**arch, "train/rate": 0.1})
    assert same_state(joint.build(with_rate, seed=0), plain.build(arch, seed=0))


@pytest.mark.parametrize("op", OPS.names())
@pytest.mark.parametrize("size", [8, 9])
def test_operations_keep_or_halve_the_image_and_pass_gradients(op, size):
    for stride in (1, 2):
        x = images(2, size, channels=6).requires_grad_()
        y = OPS.get(op)(6, stride)(x)
        assert y.shape == (2, 6, -(-size // stride), -(-size // stride))
        y.square().sum().backward()
        assert (x.grad == 0).all() if op == "none" else (x.grad != 0).any()


def test_separable_convolution_strides_once():
    assert SepConv(4, 5, 2)(images(1, 16, channels=4)).shape == (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("name", "mixes"),
    [
        ("darts", True),
        ("darts-rnn", True),
        ("once-for-all", False),
        ("enas-rnn", False),
        ("nasbench101", False),
    ],
)
def test_a_blueprint_tells_whether_its_options_mix(name, mixes):
    entry = SPACES.get(name)
    blueprint = make_space(name, entry.small_shape, entry.classes, entry.small)
    assert blueprint.mixes == mixes
    assert not blueprint.with_settings([Decision("train/learning_rate", (0.1, 0.2))]).mixes
