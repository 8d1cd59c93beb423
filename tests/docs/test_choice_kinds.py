import inspect

import pytest
from choice_kinds import Widths, network, own_network
from torch import nn

from nasturtium.space.architecture import Architecture

FIRST = {"a": "own", "a/left": 4, "a/right": 8, "depth": 2, "b/left": 2, "b/right": 4, "gate": "gelu"}
SECOND = {"a": "nested", "a/kernel": 3, "depth": 1, "b/left": 4, "b/right": 4, "gate": "relu"}


def test_about_25_lines_make_own_blocks_nested_choices_tied_names_and_a_width_that_is_a_sum():
    lines = [line for part in (Widths, own_network) for line in inspect.getsource(part).splitlines()]
    assert len(lines) <= 27
    space = network("all of it, nested").space
    for values in (FIRST, SECOND):
        assert Architecture(values) in space


@pytest.mark.parametrize(("values", "blocks"), [(FIRST, [(4, 8), (2, 4), (2, 4)]), (SECOND, [(4, 4)])])
def test_its_networks_are_what_was_chosen(values, blocks):
    net = network("all of it, nested").build(Architecture(values), seed=0)
    convs = [(m.left.out_channels, m.right.out_channels, m.out.in_channels) for m in own_blocks(net)]
    assert convs == [(left, right, left + right) for left, right in blocks]
    gates = {"relu": nn.ReLU, "gelu": nn.GELU}
    assert sum(isinstance(m, gates[values["gate"]]) for m in net.modules()) == 2 + (
        values["a"] == "nested"
    ) * (values["gate"] == "relu")


def own_blocks(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, Widths)]
