import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_parameters
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces import transnasbench101_macro as macro
from nasturtium.spaces import transnasbench101_micro as micro
from nasturtium.spaces.base import make_space

MACRO = macro.transnasbench101_macro((3, 16, 16), 10, channels=4)
MICRO = micro.transnasbench101_micro((3, 16, 16), 10, channels=4)


@pytest.mark.parametrize(("room", "blueprint"), [(macro, MACRO), (micro, MICRO)])
def test_strings_survive_a_round_trip(room, blueprint):
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = blueprint.space.sample(rng)
        text = blueprint.notation(arch)
        assert room.from_string(f" {text}\n") == arch
        assert room.to_string(room.from_string(text)) == text


def test_every_macro_network_has_another_string():
    every = {macro.to_string(arch) for arch in MACRO.space.enumerate()}
    assert len(every) == 3256
    assert {"64-1234-basic", "64-2311-basic", "64-333124-basic"} <= every


def test_the_macro_example_reads_as_published():
    """Module 1 keeps the shape, 2 doubles the channels, 3 halves the image, 4 does both."""
    arch = macro.from_string("64-1234-basic")
    assert arch in MACRO.space
    assert arch["network/modules"] == 4
    assert [arch[f"module{i}/channels"] for i in (1, 2, 3, 4)] == [1, 2, 1, 2]
    assert [arch[f"module{i}/stride"] for i in (1, 2, 3, 4)] == [1, 1, 2, 2]
    net = MACRO.build(arch, seed=0).eval()
    x, shapes = net[0](torch.rand(2, 3, 64, 64)), []
    for module in net[1]:
        x = module(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(4, 16, 16), (8, 16, 16), (8, 8, 8), (16, 4, 4)]


def test_the_micro_example_reads_as_published():
    """Node 1 is a skip from the input; node 2 nothing from the input and 1×1 from node 1; node 3 all 3×3."""
    arch = micro.from_string("64-41414-1_02_333")
    assert arch in MICRO.space
    assert arch["cell/1<-0"] == "skip_connect"
    assert (arch["cell/2<-0"], arch["cell/2<-1"]) == ("none", "nor_conv_1x1")
    assert {arch[f"cell/3<-{source}"] for source in range(3)} == {"nor_conv_3x3"}
    net = MICRO.build(arch, seed=0).eval()
    x, shapes = net[0](torch.rand(2, 3, 64, 64)), []
    for cell in list(net)[1:11]:
        x = cell(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[::2] == [(8, 8, 8), (8, 8, 8), (16, 4, 4), (16, 4, 4), (32, 2, 2)]
    assert shapes[::2] == shapes[1::2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64-123-basic", "has 3 modules; expected 4, 5 or 6"),
        ("64-1234123-basic", "has 7 modules"),
        ("64-1235-basic", "module 4 of '64-1235-basic' is '5'; known are 1, 2, 3, 4"),
        ("64-12x4-basic", "module 3 of '64-12x4-basic' is 'x'"),
        ("64-12²4-basic", "module 3 of '64-12²4-basic' is '²'"),
        ("64-1133-basic", "1 to 3 modules must double the channels \\(got 0\\)"),
        ("64-2244-basic", "1 to 3 modules must double the channels \\(got 4\\)"),
        ("64-1122-basic", "1 to 4 modules must halve the image \\(got 0\\)"),
        ("64-33334-basic", "1 to 4 modules must halve the image \\(got 5\\)"),
        ("32-1234-basic", "no macro network"),
        ("64-41414-1_02_333", "no macro network"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "no macro network"),
        ("", "no macro network"),
        (1234, "expected text such as 64-1234-basic, got 1234"),
        (None, "expected text"),
    ],
)
def test_bad_macro_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        macro.from_string(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64-41414-1_02", "has 2 nodes; the cell has 3"),
        ("64-41414-1_02_333_1", "has 4 nodes"),
        ("64-41414-1_2_333", "node 2 reads '2'; expected 2 digits"),
        ("64-41414-1_02_3333", "node 3 reads '3333'; expected 3 digits"),
        ("64-41414-1_04_333", "'cell/2<-1' got '4'; known are 0 none, 1 skip_connect, "),
        ("64-41414-1_02_33x", "'cell/3<-2' got 'x'"),
        ("64-1234-basic", "must start with 64-41414-"),
        ("32-41414-1_02_333", "must start with 64-41414-"),
        ("1_02_333", "must start with 64-41414-"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "must start with 64-41414-"),
        ("8:16:24:32:40", "must start with 64-41414-"),
        (["1", "02", "333"], "expected text such as 64-41414-1_02_333"),
        (None, "expected text"),
    ],
)
def test_bad_micro_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        micro.from_string(text)


@pytest.mark.parametrize("name", ["transnasbench101-macro", "transnasbench101-micro"])
def test_networks_that_cannot_be_are_refused(name):
    with pytest.raises(UsageError, match=f"'{name}' needs at least 2 channels, got 1"):
        make_space(name, (3, 16, 16), 10, {"channels": 1})


def test_a_cell_of_no_connections_outputs_zeros_of_its_shape():
    net = MICRO.build(micro.from_string("64-41414-0_00_000"), seed=0).eval()
    y = net[1](torch.rand(2, 4, 5, 7))
    assert y.shape == (2, 8, 3, 4)
    assert not y.any()
    assert count_parameters(net) == count_parameters(net[0]) + count_parameters(net[-1])


def test_shortcuts_project_only_where_the_shape_changes():
    net = MACRO.build(macro.from_string("64-12341-basic"), seed=0)
    kinds = [[type(block.shortcut) for block in module] for module in net[1]]
    projected = [nn.Sequential, nn.Identity]
    kept = [nn.Identity, nn.Identity]
    assert kinds == [kept, projected, projected, projected, kept]
    assert [module[0].shortcut[0].stride for module in list(net[1])[1:4]] == [(1, 1), (2, 2), (2, 2)]


def test_the_micro_cell_is_told_as_a_graph():
    (graph,) = cell_graphs(micro.from_string("64-41414-1_02_333"), MICRO.space)
    assert graph.output == (3,)
    assert len(graph.edges) == 6
