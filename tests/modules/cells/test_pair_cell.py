import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.joined import JoinedLinear
from nasturtium.modules.cells.pair_cell import SIDES, LooseEnds, PairCell, Side, input_of, pair_graph
from nasturtium.modules.choice import Building, Choice, Gate, building
from nasturtium.modules.derive import derive
from nasturtium.modules.nasnet_ops import PAIR_OPS
from nasturtium.modules.ops import FactorizedReduce
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

ENDS = LooseEnds("cell", 3)
OPS = {name: PAIR_OPS[name] for name in ("skip_connect", "sep_conv_3x3", "max_pool_3x3")}
CHANNELS = 4


def arch_of(sources: str, op: str = "max_pool_3x3", cell: str = "cell") -> Architecture:
    """Blocks 2, 3, 4 with the states in `sources`, two digits a block, all with one operation."""
    values: dict[str, str | int] = {}
    sides = [(node, side) for node in (2, 3, 4) for side in SIDES]
    for (node, side), source in zip(sides, sources, strict=True):
        values[f"{cell}/{node}/{side}/input"] = int(source)
        values[f"{cell}/{node}/{side}/op"] = op
    return Architecture(values)


@pytest.mark.parametrize(
    ("sources", "always", "loose"),
    [
        ("010101", (), (2, 3, 4)),
        ("012222", (), (3, 4)),
        ("012233", (), (4,)),
        ("000000", (), (1, 2, 3, 4)),
        ("111111", (), (0, 2, 3, 4)),
        ("012233", (0,), (0, 4)),
        ("012233", (3,), (3, 4)),
    ],
)
def test_loose_ends_are_the_states_that_no_block_uses(sources, always, loose):
    assert LooseEnds("cell", 3, always).states(arch_of(sources)) == loose


def test_there_is_always_a_loose_end():
    choices = itertools.product(range(2), range(2), range(3), range(3), range(4), range(4))
    for sources in choices:
        states = ENDS.states(arch_of("".join(map(str, sources))))
        assert states[-1] == 4
        assert len(states) <= 4


class Framed(nn.Module):
    """A normal and a reduction cell in a row, then a classifier on what the second joins."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.first = PairCell(LooseEnds("normal", 3), OPS, (6, 6), CHANNELS)
        ends = LooseEnds("cell", 3)
        self.second = PairCell(ends, OPS, (6, 6), CHANNELS, stride=2)
        self.head = JoinedLinear(ends, CHANNELS, 5)
        self.other = JoinedLinear(LooseEnds("normal", 3), CHANNELS, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.other(self.first(x, x).mean((2, 3))) + self.head(self.second(x, 2 * x).mean((2, 3)))


@pytest.mark.parametrize(
    ("normal", "reduce"), [("010101", "000000"), ("111111", "012233"), ("000012", "111122")]
)
def test_a_path_is_the_derived_network_whatever_is_loose(normal, reduce):
    supernet = Supernet(Blueprint(Framed), seed=1).eval()
    arch = Architecture({**arch_of(normal, "sep_conv_3x3", "normal"), **arch_of(reduce, "skip_connect")})
    assert arch in supernet.space
    supernet.activate(arch)
    x = torch.randn(2, 3, 7, 9)
    plain = derive(supernet.net, arch)
    assert not any(isinstance(module, Choice) for module in plain.modules())
    with torch.no_grad():
        torch.testing.assert_close(plain(x), supernet(x))
    inputs = sum(i < 2 for i in ENDS.states(arch_of(reduce)))
    assert sum(isinstance(m, FactorizedReduce) for m in plain.second.join.modules()) == inputs
    assert plain.head.in_features == CHANNELS * len(ENDS.states(arch_of(reduce)))
    built = Blueprint(Framed).build(arch, seed=0)
    shapes = [{name: p.shape for name, p in net.named_parameters()} for net in (built, plain)]
    assert shapes[0] == shapes[1]


def test_random_architectures_count_and_build():
    space = Blueprint(Framed).space
    assert space.size() == (3**6 * (2 * 3 * 4) ** 2) ** 2
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert Blueprint(Framed).build(space.sample(rng), seed=0)(torch.rand(2, 3, 8, 8)).shape == (2, 5)


def test_a_side_has_weights_for_every_state_and_operation():
    side = Side("s", input_of("cell", 3, "left"), list(OPS), lambda op, j: OPS[op](2, 2, 1))
    assert len(side.candidates) == 3 * 3
    with building(Building(arch_of("010101", "sep_conv_3x3"))):
        alone = Side("cell/3/left", input_of("cell", 3, "left"), list(OPS), lambda op, j: OPS[op](2, 2, 1))
    assert list(alone.candidates) == ["sep_conv_3x3<-0"]


def test_a_side_mixes_states_and_operations():
    side = Side(
        "s", input_of("s", 2, "left"), ["skip_connect", "max_pool_3x3"], lambda op, j: PAIR_OPS[op](2, 2, 1)
    )
    x, y = torch.rand(2, 2, 4, 4), torch.rand(2, 2, 4, 4)
    side.connect(
        {
            "s/2/left/input": Gate((0, 1), torch.tensor([0.25, 0.75])),
            "s/op": Gate((0, 1), torch.tensor([0.5, 0.5])),
        }
    )
    pool = nn.MaxPool2d(3, 1, 1)
    expected = 0.25 * (x + pool(x)) / 2 + 0.75 * (y + pool(y)) / 2
    torch.testing.assert_close(side([x, y]), expected)


def test_the_graph_has_two_edges_a_block_and_the_loose_ends():
    graph = pair_graph(arch_of("001122"), ENDS)
    assert graph.nodes == ("c_{k-2}", "c_{k-1}", "2", "3", "4")
    assert [edge[:2] for edge in graph.edges] == [(0, 2), (0, 2), (1, 3), (1, 3), (2, 4), (2, 4)]
    assert graph.output == (3, 4)
    assert graph.join == "concat"
