import re

import pytest
from torch import nn

from module_examples import BLUEPRINTS
from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.walk import space_of
from nasturtium.space.conditions import ALWAYS, When
from nasturtium.space.decision import Decision


def spelled(module: nn.Module) -> dict[str, str]:
    """Conditions as text: `a=1|2 & b=x or c=3`."""

    def literal(when: When) -> str:
        return f"{when.decision}={'|'.join(sorted(map(str, when.options)))}"

    return {
        name: " or ".join(sorted(" & ".join(sorted(map(literal, c))) for c in condition))
        for name, condition in space_of(module).conditions.items()
    }


def test_literals_are_anded_downwards_and_ored_over_sites():
    assert spelled(BLUEPRINTS["nested"].make()) == {
        "depth": "",
        "block0": "",
        "act": "block0=conv|wide or block1=conv|wide & depth=2|3 or block2=conv|wide & depth=3",
        "block1": "depth=2|3",
        "block2": "depth=3",
    }


def test_edges_hang_under_the_choice_of_their_source():
    def op(channels: int, stride: int) -> nn.Module:
        return OneOf("inner", {"x": nn.Identity, "y": nn.Identity})

    cell = Cell("c", {"a": op, "b": lambda channels, stride: nn.Identity()}, 4, nodes=1, inputs=3)
    assert spelled(cell) == {
        "c/3/inputs": "",
        "c/3<-0": "c/3/inputs=0",
        "c/3<-1": "c/3/inputs=1",
        "c/3<-2": "c/3/inputs=2",
        "inner": " or ".join(f"c/3/inputs={j} & c/3<-{j}=a" for j in range(3)),
    }


def test_elastic_layers_and_input_choices_below_a_choice():
    a, b = Dim("a", (1, 2)), Dim("b", (3, 4))

    def wide() -> nn.Module:
        return nn.Sequential(ElasticLinear(a, derived(max, a, b)), InputChoice("in", 3, k=2))

    net = nn.Sequential(OneOf("kind", {"wide": wide, "skip": nn.Identity}), ElasticLinear(2, b))
    assert spelled(net) == {"kind": "", "a": "kind=wide", "b": "", "in": "kind=wide"}
    space = space_of(net)
    assert space.decisions["a"] == Decision("a", (1, 2), ordered=True)
    assert space.decisions["in"] == Decision("in", (0, 1, 2), k=2)
    assert space.size() == 2 * 2 * 3 + 2


def test_blocks_of_every_depth_are_unconditional():
    net = Repeat("depth", lambda i: OneOf(f"op{i}", {"x": nn.Identity, "y": nn.ReLU}), (2, 4))
    assert spelled(net) == {"depth": "", "op0": "", "op1": "", "op2": "depth=4", "op3": "depth=4"}


def test_a_stack_may_be_empty():
    net = Repeat("depth", lambda i: OneOf("op", {"x": nn.Identity, "y": nn.ReLU}), (0, 2))
    assert spelled(net) == {"depth": "", "op": "depth=2"}


def test_settings_are_always_active():
    space = space_of(nn.Identity(), settings=[Decision("train/rate", (0.1, 0.01), ordered=True)])
    assert space.conditions == {"train/rate": ALWAYS}


def test_a_name_for_two_things_is_refused_with_both_places():
    net = nn.Sequential()
    net.add_module("front", OneOf("op", {"x": nn.Identity, "y": nn.ReLU}))
    net.add_module("outer", OneOf("b", {"only": lambda: nn.Sequential(OneOf("op", {"x": nn.Identity}))}))
    with pytest.raises(UsageError) as error:
        space_of(net)
    message = str(error.value)
    assert "'op'" in message
    assert "('x', 'y') at front" in message
    assert re.search(r"\('x',\) at outer\.\S+\.0;", message)


def test_a_network_without_choices_is_refused():
    with pytest.raises(UsageError, match="no choices"):
        _ = Blueprint(nn.Identity).space
