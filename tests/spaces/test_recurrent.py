import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Choice, Gate
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces import darts_rnn, enas_rnn
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import DARTS_V2 as CONVOLUTIONAL
from nasturtium.spaces.darts_rnn import DARTS_V1, DARTS_V2, Genotype, darts_node
from nasturtium.spaces.enas_rnn import PTB

SMALL = {"width": 8}


@pytest.mark.parametrize("name", ["darts-rnn", "enas-rnn"])
def test_no_output_sees_later_tokens(name):
    blueprint = make_space(name, (6,), 20, SMALL)
    net = blueprint.build(blueprint.space.sample(np.random.default_rng(0)), seed=0).eval()
    (tokens,) = blueprint.inputs(2)
    for changed in range(6):
        other = tokens.clone()
        other[:, changed] = (other[:, changed] + 1) % 20
        same = (net(tokens) == net(other)).all(dim=-1).all(dim=0)
        assert same[:changed].all()
        assert not same[changed : changed + 2].any()  # later on, gates may have forgotten it


def test_genotypes_survive_a_round_trip():
    space = make_space("darts-rnn", (6,), 20, SMALL).space
    rng = np.random.default_rng(0)
    for _ in range(30):
        arch = space.sample(rng)
        genotype = darts_rnn.to_genotype(arch)
        assert darts_rnn.from_genotype(genotype) == arch
        assert darts_rnn.from_genotype(genotype._asdict()) == arch


@pytest.mark.parametrize("genotype", [DARTS_V1, DARTS_V2])
def test_published_genotypes_read_as_they_are_written(genotype):
    blueprint = make_space("darts-rnn", (6,), 20, SMALL)
    arch = darts_rnn.from_genotype(genotype._replace(concat=range(1, 9)))
    assert arch in blueprint.space
    assert darts_rnn.to_genotype(arch) == genotype
    assert blueprint.notation(arch) == repr(genotype)
    (graph,) = cell_graphs(arch, blueprint.space)
    assert graph.edges == tuple((j, i, f) for i, (f, j) in enumerate(genotype.recurrent, start=1))
    assert (graph.output, graph.join) == (tuple(range(1, 9)), "mean")


def changed(at: int, edge: object) -> Genotype:
    edges = list(DARTS_V2.recurrent)
    edges[at] = edge
    return DARTS_V2._replace(recurrent=edges)


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (changed(0, ("swish", 0)), "'cell/1<-0' got 'swish'.*tanh"),
        (changed(1, ("none", 0)), "'cell/2<-0' got 'none'"),
        (changed(2, ("relu", 3)), "'cell/3<-3': node 3 can only use states 0 to 2"),
        (changed(2, ("relu", -1)), "'cell/3<--1': node 3 can only use states 0 to 2"),
        (changed(4, "relu"), "'relu' at node 5"),
        (changed(4, ("relu", "1")), "at node 5; expected .function, state."),
        (DARTS_V2._replace(recurrent=DARTS_V2.recurrent[:7]), "has 7 nodes; this cell needs 8"),
        (DARTS_V2._replace(recurrent=None), "has None nodes"),
        (DARTS_V2._replace(concat=[2, 5, 6]), r"joins \[2, 5, 6\]; this space joins nodes 1 to 8"),
        (DARTS_V2._replace(concat=8), "joins 8"),
        (CONVOLUTIONAL, "expected a recurrent genotype with recurrent and concat"),
        ({"recurrent": DARTS_V2.recurrent}, "expected a recurrent genotype"),
        (PTB, "expected a recurrent genotype"),
        (None, "expected a recurrent genotype"),
    ],
)
def test_bad_genotypes_are_refused_with_the_part(genotype, message):
    with pytest.raises(UsageError, match=message):
        darts_rnn.from_genotype(genotype)


def test_a_mixed_node_is_the_sum_over_states_and_functions():
    """Each function's highway step weighted by its probability, which the zero candidate lessens."""
    node = darts_node(2, 4)
    states = [torch.randn(3, 4), torch.randn(3, 4)]
    weights = torch.tensor([0.3, 0.2, 0.1, 0.15])
    board = {"cell/2/inputs": Gate((0, 1))} | {f"cell/2<-{j}": Gate((0, 1, 2, 3), weights) for j in (0, 1)}
    for module in node.modules():
        if isinstance(module, Choice):
            module.connect(board)
    matrix = node.edges["0"].weights.weight
    expected = torch.zeros(3, 4)
    for s in states:
        gate, candidate = (s @ matrix.T).chunk(2, dim=-1)
        for p, f in zip(weights, (torch.tanh, torch.relu, torch.sigmoid, lambda x: x), strict=True):
            expected = expected + p * (s + gate.sigmoid() * (f(candidate) - s))
    torch.testing.assert_close(node(states), expected)


def test_only_a_mixture_is_normalised():
    blueprint = make_space("darts-rnn", (6,), 20, SMALL)
    kinds = [type(Supernet(blueprint, r).net.cell.norm).__name__ for r in (None, Softmax())]
    assert kinds == ["Identity", "BatchNorm1d"]


def test_enas_strings_survive_a_round_trip():
    blueprint = make_space("enas-rnn", (6,), 20, SMALL)
    rng = np.random.default_rng(0)
    for _ in range(30):
        arch = blueprint.space.sample(rng)
        assert enas_rnn.from_string(blueprint.notation(arch)) == arch


def test_the_published_enas_cell_joins_its_loose_ends():
    blueprint = make_space("enas-rnn", (6,), 20, SMALL)
    arch = enas_rnn.from_string(PTB)
    assert arch in blueprint.space
    assert enas_rnn.to_string(arch) == PTB
    loose = (3, 4, 7, 9, 10, 11)  # no node uses these
    assert blueprint.build(arch, seed=0).cell.output.positions == loose
    (graph,) = cell_graphs(arch, blueprint.space)
    assert tuple(int(graph.nodes[i]) for i in graph.output) == loose
    assert graph.edges[0] == (0, 1, "tanh")


@pytest.mark.parametrize(
    ("name", "point"), [("darts-rnn", "DARTS_V2"), ("enas-rnn", "ENAS on Penn Treebank")]
)
def test_published_cells_belong_to_the_published_number_of_nodes(name, point):
    assert make_space(name, (6,), 20, SMALL).points[point] in make_space(name, (6,), 20, SMALL).space
    assert make_space(name, (6,), 20, SMALL | {"nodes": 3}).points == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PTB[:-2], "expected 23 whole numbers"),
        (PTB + " 1", "expected 23 whole numbers"),
        ("4" + PTB[1:], "node 0 got function 4; known are 0 tanh, 1 relu"),
        ("0 1" + PTB[3:], "node 1 got input 1; it can only use nodes 0 to 0"),
        (PTB[:-1] + "7", "node 11 got function 7"),
        (PTB.replace("5", "-5"), "is no recurrent cell of 12 nodes"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "is no recurrent cell of 12 nodes"),
        ("", "is no recurrent cell"),
        (None, "None is no recurrent cell"),
        ([0, 0], "is no recurrent cell"),
        (DARTS_V2, "is no recurrent cell"),
    ],
)
def test_bad_enas_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        enas_rnn.from_string(text)
