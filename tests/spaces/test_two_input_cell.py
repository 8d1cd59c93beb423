import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import DARTS_V2
from nasturtium.spaces.two_input_cell import from_string, to_string, two_input_cell


def cell_of(op: str, **edges: str) -> str:
    """A cell with one operation everywhere but on some edges, such as `e2_0`."""
    nodes = ("|".join(f"{edges.get(f'e{node}_{j}', op)}~{j}" for j in range(node)) for node in range(2, 6))
    return "+".join(f"|{node}|" for node in nodes)


def test_strings_survive_a_round_trip():
    space = two_input_cell((3, 8, 8), 10).space
    assert space.size() == 6**14 == 78_364_164_096
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = space.sample(rng)
        assert from_string(to_string(arch)) == arch


def run(text: str, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    net = two_input_cell((3, 8, 8), 5, channels=4, cells=1).build(from_string(text), seed=0).eval()
    return net[1].cells[0]([x, y])


def test_a_node_is_the_sum_of_its_edges_and_the_output_the_mean_of_the_nodes():
    x, y = torch.rand(2, 4, 8, 8), torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(run(cell_of("none", e2_0="skip_connect"), x, y), x / 4)
    # nodes x+y, 2(x+y), 4(x+y), 8(x+y)
    torch.testing.assert_close(run(cell_of("skip_connect"), x, y), 15 * (x + y) / 4)
    assert torch.equal(run(cell_of("none"), x, y), 0 * x)
    ones = torch.ones(2, 4, 8, 8)
    torch.testing.assert_close(run(cell_of("none", e5_1="avg_pool_3x3"), x, ones), ones / 4)


def test_cells_take_the_outputs_of_the_two_before():
    blueprint = two_input_cell((3, 8, 8), 5, channels=4, cells=3)
    stage = blueprint.build(from_string(cell_of("none", e2_0="skip_connect")), seed=0).eval()[1]
    x = torch.rand(2, 4, 8, 8)
    torch.testing.assert_close(stage(x), x / 16)  # x, x → x/4; x, x/4 → x/4; x/4, x/4 → x/16


def test_the_graph_says_that_the_nodes_are_averaged():
    blueprint = two_input_cell((3, 8, 8), 5)
    (graph,) = cell_graphs(from_string(cell_of("conv_1x1")), blueprint.space)
    assert len(graph.edges) == 14
    assert (graph.output, graph.join) == ((2, 3, 4, 5), "mean")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "has 3 nodes; the two-input cell has 4"),
        ("", "has 1 nodes"),
        (cell_of("none").replace("~4", "~5"), "node 5 reads .*expected .op~0.op~1.op~2.op~3.op~4."),
        (cell_of("none").replace("|none~1", "|none~0", 1), "node 2 reads"),
        (cell_of("none").replace("|none~1", "", 1), "node 2 reads"),
        ("junk" + cell_of("none"), "node 2 reads 'junk"),
        (cell_of("none") + "junk", "node 5 reads"),
        (cell_of("skip_conect"), "'cell/2<-0' got 'skip_conect': did you mean 'skip_connect'"),
        (cell_of("none", e4_3="nor_conv_3x3"), "'cell/4<-3' got 'nor_conv_3x3': did you mean 'conv_3x3'"),
        (cell_of("none", e4_3="sep_conv_5x5"), "'cell/4<-3' got 'sep_conv_5x5'"),
        (repr(DARTS_V2), "has 1 nodes"),
        (DARTS_V2, "expected text"),
        (None, "expected text"),
    ],
)
def test_bad_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        from_string(text)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(UsageError, match="'two-input-cell' needs images of at least 8×8 pixels, got 4×8"):
        make_space("two-input-cell", (3, 4, 8), 10)
