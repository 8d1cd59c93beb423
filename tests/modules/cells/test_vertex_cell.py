import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.cells.vertex_cell import VertexCell, wire
from nasturtium.modules.choice import Building, Gate, Undecided, building
from nasturtium.modules.derive import derive
from nasturtium.modules.walk import space_of
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import used

OPS = {"pool": lambda width: nn.MaxPool2d(3, 1, 1), "relu": lambda width: nn.ReLU()}


def cell() -> VertexCell:
    return VertexCell("c", OPS, 2, 3, 4)


def arch(*edges: tuple[int, int]) -> Architecture:
    on = {f"c/{t}<-{s}": int((s, t) in edges) for t in range(1, 4) for s in range(t)}
    return Architecture({**on, "c/1/op": "pool", "c/2/op": "relu"})


@pytest.mark.parametrize(
    ("edges", "vertices"),
    [
        ({(0, 1), (1, 3), (0, 2)}, [0, 1, 3]),
        ({(0, 1), (2, 3), (1, 3)}, [0, 1, 3]),
        ({(0, 1), (1, 2), (2, 3)}, [0, 1, 2, 3]),
        ({(0, 3), (1, 2)}, [0, 3]),
        ({(0, 1), (2, 3)}, []),
        (set(), []),
    ],
)
def test_used_are_the_vertices_on_a_way(edges, vertices):
    assert used(edges, 3) == vertices


def test_a_wiring_names_what_feeds_what():
    wiring = wire({(0, 1), (1, 2), (2, 4), (1, 4), (0, 4), (3, 4)}, 4, 5)
    assert wiring.sources == {1: (0,), 2: (1,)}
    assert wiring.widths == {1: 3, 2: 2}
    assert wiring.outputs == (1, 2)
    assert wiring.skip


def test_every_edge_and_operation_is_a_decision():
    space = space_of(cell())
    assert [name for name in space.decisions if "<-" in name] == [
        f"c/{t}<-{s}" for t in range(1, 4) for s in range(t)
    ]
    assert space.size() == 2**6 * 2**2


def test_only_what_is_used_is_built_and_derived():
    chosen = arch((0, 1), (1, 3), (0, 2))
    with building(Building(chosen)):
        small = cell()
    assert list(small.ops) == list(small.projections) == ["1"]
    derived = derive(cell(), chosen)
    assert list(derived.ops) == list(derived.projections) == ["1"]
    assert [tuple(p.shape) for p in derived.parameters()] == [tuple(p.shape) for p in small.parameters()]


def test_a_cell_needs_gates_with_one_option():
    module = cell()
    x = torch.rand(1, 2, 4, 4)
    with pytest.raises(Undecided, match="'c/1<-0' of this VertexCell is undecided"):
        module(x)
    module.connect({decision.name: Gate((0, 1)) for decision in module.decisions()})
    with pytest.raises(UsageError, match="VertexCell needs one option of 'c/1<-0' but got a mixture of 2"):
        module(x)
    assert not module.runs_mixtures
