import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import make_space
from nasturtium.spaces.enas_macro import ENAS_MACRO, OPERATIONS, enas_macro, from_numbers, to_numbers
from nasturtium.spaces.enas_micro import ENAS_MICRO


def test_numbers_survive_a_round_trip():
    blueprint = enas_macro((3, 8, 8), 10)
    rng = np.random.default_rng(0)
    for _ in range(20):
        arch = blueprint.space.sample(rng)
        assert from_numbers(to_numbers(arch)) == arch
        assert from_numbers(blueprint.notation(arch)) == arch


def test_the_published_network_is_a_point_of_the_space_with_24_layers():
    arch = from_numbers(ENAS_MACRO)
    blueprint = enas_macro((3, 32, 32), 10, layers=24)
    assert blueprint.points == {"ENAS macro": arch}
    assert arch in blueprint.space
    assert enas_macro((3, 32, 32), 10).points == {}
    assert " ".join(map(str, to_numbers(arch))) == ENAS_MACRO
    assert arch not in enas_macro((3, 32, 32), 10, layers=12).space
    net = enas_macro((3, 16, 16), 10, channels=2, layers=24).build(arch, seed=0)
    assert net(torch.rand(2, 3, 16, 16)).shape == (2, 10)


@pytest.mark.parametrize("layers", [3, 4, 5, 12])
def test_size_is_that_of_the_formula(layers):
    assert enas_macro((3, 8, 8), 10, layers=layers).space.size() == 6**layers * 2 ** (
        layers * (layers - 1) // 2
    )


def test_reductions_come_after_a_third_and_two_thirds_and_take_all_outputs():
    net = enas_macro((3, 16, 16), 10, channels=4, layers=12).build(
        from_numbers([0] + [n for k in range(1, 12) for n in (5, *[1] * k)]), seed=0
    )
    sizes = []
    for layer in net.layers:
        layer.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    net(torch.rand(2, 3, 16, 16))
    assert sizes == [(4, 16, 16)] * 4 + [(8, 8, 8)] * 4 + [(16, 4, 4)] * 4
    assert {number: len(reduce) for number, reduce in net.reductions.items()} == {"4": 5, "8": 9}


NEEDED = [  # numbers of four layers, and the outputs that are taken after layers 1 and 2
    ("0 5 0 1 0 0 3 0 0 0", [1], [2]),
    ("0 5 1 1 0 0 3 0 0 0", [0, 1], [2]),
    ("0 5 0 1 0 1 3 0 0 0", [1], [1, 2]),
    ("0 5 0 1 0 0 3 1 0 1", [0, 1], [0, 2]),
]


@pytest.mark.parametrize(("numbers", "first", "second"), NEEDED)
def test_only_outputs_that_later_layers_take_are_reduced(numbers, first, second):
    blueprint, arch = enas_macro((3, 8, 8), 5, channels=4, layers=4), from_numbers(numbers)
    supernet = Supernet(blueprint, seed=0).train()
    supernet.activate(arch)
    plain, x = derive(supernet.net, arch), torch.rand(4, 3, 8, 8)
    for net in (plain, blueprint.build(arch, seed=0)):
        reductions = net.reductions.values()
        kept = [[i for i, part in enumerate(each) if list(part.parameters())] for each in reductions]
        assert kept == [first, second]
    assert torch.equal(supernet(x), plain(x))
    plain(x).square().sum().backward()
    assert [name for name, weight in plain.named_parameters() if weight.grad is None] == []


def test_a_layer_adds_no_skip_connection_that_is_not_chosen():
    net = enas_macro((3, 16, 16), 10, channels=4, layers=4).build(from_numbers("0 1 1 2 0 1 3 0 0 0"), seed=0)
    joined = [layer.squeeze[1].in_channels // layer.squeeze[1].out_channels for layer in list(net.layers)[1:]]
    assert joined == [2, 2, 1]
    assert isinstance(net.layers[0].squeeze, nn.Identity)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ("0 1 1 6 0 1", "layer 3 got operation 6; known: 0 conv_3x3, 1 sep_conv_3x3"),
        ("-1 1 1", "layer 1 got operation -1"),
        ("0 1 2", "'layer2/from0' is 2; expected 0 or 1"),
        ("0 1 1 2 0 -1", "'layer3/from1' is -1; expected 0 or 1"),
        ("0 1 1 2 0", "layer 3 needs 2 skip connections, but 1 numbers are left"),
        ("", "number 1 is ''"),
        ([], "the numbers of one layer at least, got none"),
        ("0 1 x", "number 3 is 'x'"),
        (ENAS_MICRO, "is 4; expected 0 or 1|got operation|needs"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "number 1 is"),
        ({"layer1/op": "conv_3x3"}, "expected whole numbers"),
        (None, "expected whole numbers"),
    ],
)
def test_bad_numbers_are_refused_with_the_part(numbers, message):
    with pytest.raises(UsageError, match=message):
        from_numbers(numbers)


def test_an_architecture_of_another_depth_is_refused_with_the_decision():
    arch = Architecture({f"layer{k}/op": OPERATIONS[0] for k in range(1, 6)})
    with pytest.raises(UsageError, match="'layer5/op'"):
        enas_macro((3, 8, 8), 10, layers=4).build(arch, seed=0)


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 7, 8), {}, "'enas-macro' needs images of at least 8×8 pixels, got 7×8"),
        ((3, 8, 8), {"layers": 2}, "'enas-macro' needs at least 3 layers for its two reductions, got 2"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("enas-macro", shape, 10, sizes)
