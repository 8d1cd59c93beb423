import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.cells.vertex_cell import WiredCell
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces.base import make_space
from nasturtium.spaces.nasbench101 import nasbench101
from nasturtium.tables.nasbench101 import OPS, Spec, from_spec, module_hash, to_spec

CONV3, CONV1, POOL = OPS


def spec(vertices: int, edges, ops) -> Spec:
    matrix = [[int((s, t) in edges) for t in range(vertices)] for s in range(vertices)]
    return Spec(matrix, ["input", *ops, "output"])


DIAMOND = spec(4, {(0, 1), (0, 2), (1, 3), (2, 3)}, [CONV3, POOL])
SPACE = nasbench101((3, 8, 8), 10).space


def test_specs_survive_a_round_trip():
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = SPACE.sample(rng)
        matrix, ops = to_spec(arch)
        assert from_spec(matrix, ops) == arch
        assert from_spec(np.array(matrix), tuple(ops)) == arch


def test_a_small_cell_leaves_vertices_unused():
    arch = from_spec(*DIAMOND)
    assert arch in SPACE
    assert arch["cell/6<-1"] == arch["cell/6<-2"] == 1
    assert to_spec(arch).pruned() == DIAMOND


def test_what_is_unused_is_dropped_only_to_meet_the_limits():
    hanging = {(s, t) for t in (3, 4, 5) for s in range(t)} - {(1, 2)}  # nine edges that lead nowhere
    crowded = spec(7, {(0, 1), (1, 6), *hanging}, [CONV1, CONV3, CONV3, CONV3, CONV3])
    assert len(crowded.edges) > 9
    assert to_spec(from_spec(*crowded)).pruned() == spec(3, {(0, 1), (1, 2)}, [CONV1])
    long = spec(9, {(0, 3), (3, 8)}, [CONV3] * 2 + [POOL] + [CONV3] * 4)
    assert to_spec(from_spec(*long)).pruned() == spec(3, {(0, 1), (1, 2)}, [POOL])
    few = spec(7, {(0, 1), (1, 6), (2, 3)}, [CONV1, CONV3, CONV3, CONV3, CONV3])
    assert to_spec(from_spec(*few)) == few


def changed(row: int, column: int, value: object) -> list[list[object]]:
    matrix = [list(r) for r in DIAMOND.matrix]
    matrix[row][column] = value
    return matrix


FULL = spec(7, set(itertools.combinations(range(7), 2)), [CONV3] * 5)
CHAIN8 = spec(8, {(i, i + 1) for i in range(7)}, [CONV3] * 6)


@pytest.mark.parametrize(
    ("matrix", "ops", "message"),
    [
        (changed(3, 1, 1), DIAMOND.ops, "row 3, column 1.*upper triangular.*no cycle"),
        (changed(1, 1, 1), DIAMOND.ops, "row 1, column 1.*upper triangular"),
        (changed(0, 1, 2), DIAMOND.ops, "row 0, column 1 of the matrix is 2; expected 0 or 1"),
        (changed(0, 1, "1"), DIAMOND.ops, "row 0, column 1 of the matrix is '1'"),
        (FULL.matrix, FULL.ops, "uses 21 edges; NAS-Bench-101 has at most 9"),
        (CHAIN8.matrix, CHAIN8.ops, "uses 8 vertices; NAS-Bench-101 has at most 7"),
        (DIAMOND.matrix, ["input", CONV3, "conv3x3-bn-rel", "output"], "vertex 2 got 'conv3x3-bn-rel': did"),
        (DIAMOND.matrix, ["input", "nor_conv_3x3", POOL, "output"], "vertex 1 got 'nor_conv_3x3'"),
        (DIAMOND.matrix, ["input", None, POOL, "output"], "vertex 1 got None"),
        (DIAMOND.matrix, DIAMOND.ops[:3], "expected operations \\['input', …, 'output'\\]"),
        (DIAMOND.matrix, ["input", CONV3, "output"], "3 operations for a matrix of 4 vertices"),
        (DIAMOND.matrix, "input,output", "expected operations"),
        (DIAMOND.matrix, None, "expected operations"),
        (DIAMOND.matrix[:3], DIAMOND.ops, "as many rows as columns"),
        ([row[:3] for row in DIAMOND.matrix], DIAMOND.ops, "as many rows as columns"),
        ([[0]], ["input", "output"], "at least 2"),
        ([1, 2], ["input", "output"], "as many rows as columns"),
        ([], [], "at least 2"),
        (None, DIAMOND.ops, "expected the matrix of a cell"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", DIAMOND.ops, "expected the matrix of a cell"),
        ([[0, 1, 0], [0, 0, 0], [0, 0, 0]], ["input", CONV3, "output"], "does not lead to its output"),
        ([[0, 0], [0, 0]], ["input", "output"], "does not lead to its output"),
    ],
)
def test_bad_specs_are_refused_with_the_part(matrix, ops, message):
    with pytest.raises(UsageError, match=message):
        from_spec(matrix, ops)


def test_networks_that_cannot_be_are_refused():
    with pytest.raises(UsageError, match="'nasbench101' needs at least 5 channels, got 4"):
        make_space("nasbench101", (3, 16, 16), 10, {"channels": 4})


def test_the_space_refuses_what_the_benchmark_does():
    arch = dict(from_spec(*DIAMOND))
    assert SPACE.why_not({**arch, "cell/6<-1": 0, "cell/6<-2": 0}).startswith("the cell's input must lead")
    every = {name: 1 for name in arch if "<-" in name}
    assert SPACE.why_not({**arch, **every}) == "a cell has at most 9 edges (got 21)"


def test_the_module_hash_tells_apart_what_computes_differently():
    swapped = Spec(DIAMOND.matrix, ["input", POOL, CONV3, "output"])
    assert module_hash(swapped) == module_hash(DIAMOND)
    assert module_hash(to_spec(from_spec(*DIAMOND))) == module_hash(DIAMOND)
    same = Spec(DIAMOND.matrix, ["input", CONV3, CONV3, "output"])
    chain = spec(4, {(0, 1), (1, 2), (2, 3)}, [CONV3, POOL])
    back = spec(4, {(0, 1), (1, 2), (2, 3)}, [POOL, CONV3])
    assert len({module_hash(s) for s in (DIAMOND, same, chain, back)}) == 4


def cell_of(spec: Spec, channels: int = 5) -> WiredCell:
    net = nasbench101((3, 8, 8), 10, channels=channels, stacks=1, cells=1).build(from_spec(*spec), seed=0)
    cell = net[1]
    assert isinstance(cell, WiredCell)
    return cell.eval()


def test_a_cell_computes_what_the_paper_says():
    """Vertex 2 takes vertex 1, cut to its channels, and a projection of the input; the input is added."""
    edges = {(0, 1), (1, 2), (0, 2), (1, 3), (2, 3), (0, 3)}
    cell = cell_of(spec(4, edges, [CONV3, POOL]))
    x = torch.rand(2, 5, 6, 6)
    first = cell.ops["1"](cell.projections["1"](x))
    second = nn.functional.max_pool2d(first[:, :2] + cell.projections["2"](x), 3, 1, 1)
    assert first.shape[1] == 3
    expected = torch.cat([first, second], dim=1) + cell.projections[str(cell.last)](x)
    torch.testing.assert_close(cell(x), expected)
    assert set(cell.projections) == {"1", "2", "6"}


def test_a_cell_without_inner_vertices_projects_its_input():
    cell = cell_of(spec(2, {(0, 1)}, []))
    x = torch.rand(2, 5, 6, 6)
    torch.testing.assert_close(cell(x), cell.projections["6"](x))
    assert len(cell.ops) == 0


def test_every_small_graph_runs_in_the_supernet_as_derived():
    """Cells of up to four vertices, every graph of them, share one network's weights."""
    supernet = Supernet(nasbench101((1, 8, 8), 3, channels=5, stacks=1, cells=1), seed=1).eval()
    x = torch.rand(1, 1, 8, 8)
    pairs = list(itertools.combinations(range(4), 2))
    for bits in itertools.product((0, 1), repeat=len(pairs)):
        edges = {pair for pair, there in zip(pairs, bits, strict=True) if there}
        cell = spec(4, edges, [CONV3, CONV1])
        if not cell.pruned().ops:
            continue
        arch = from_spec(*cell)
        supernet.activate(arch)
        with torch.no_grad():
            torch.testing.assert_close(supernet(x), derive(supernet.net, arch)(x))


def test_the_graph_has_the_used_vertices_and_their_operations():
    edges = {(0, 2), (2, 4), (0, 4), (1, 3), (4, 6), (2, 6), (0, 6)}
    (graph,) = cell_graphs(from_spec(*spec(7, edges, [CONV3, POOL, CONV3, CONV1, CONV3])), SPACE)
    assert graph.nodes == ("input", "2", "4")
    assert graph.edges == ((0, 1, ""), (0, 2, ""), (1, 2, ""))
    assert graph.ops == ("", POOL, CONV1)
    assert graph.output == (0, 1, 2)


def test_notation_is_the_spec():
    text = nasbench101((3, 8, 8), 10).notation(from_spec(*DIAMOND))
    assert text.startswith("Spec(matrix=[[0, 1, 1, 0, 0, 0, 0], ")
    assert text.endswith("'conv3x3-bn-relu', 'output'])")
