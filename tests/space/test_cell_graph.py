import numpy as np
import pytest

from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, cell_graphs, cell_of, edge_of, other_decisions
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

OPS = ("none", "skip_connect", "conv_3x3")


def picking(cell, nodes=2, inputs=2):
    """The decisions and conditions of a cell whose nodes choose two inputs each."""
    decisions, conditions = [], {}
    for node in range(inputs, inputs + nodes):
        decisions.append(Decision(f"{cell}/{node}/inputs", tuple(range(node)), k=2, many=True))
        for source in range(node):
            name = f"{cell}/{node}<-{source}"
            decisions.append(Decision(name, OPS))
            conditions[name] = frozenset([frozenset([When(f"{cell}/{node}/inputs", frozenset([source]))])])
    return decisions, conditions


def dense(cell, nodes=3):
    return [Decision(f"{cell}/{n}<-{s}", OPS) for n in range(1, nodes + 1) for s in range(n)]


def test_a_cell_that_picks_inputs_shows_the_picked_edges_only():
    decisions, conditions = picking("stem/normal")
    space = SearchSpace(decisions, conditions)
    arch = space.validate(
        {
            "stem/normal/2/inputs": (0, 1),
            "stem/normal/2<-0": "conv_3x3",
            "stem/normal/2<-1": "skip_connect",
            "stem/normal/3/inputs": (0, 2),
            "stem/normal/3<-0": "none",
            "stem/normal/3<-2": "conv_3x3",
        }
    )
    (graph,) = cell_graphs(arch, space)
    assert (graph.name, graph.inputs, graph.output) == ("stem/normal", 2, (2, 3))
    assert graph.nodes == ("c_{k-2}", "c_{k-1}", "2", "3")
    assert graph.edges == ((0, 2, "conv_3x3"), (1, 2, "skip_connect"), (0, 3, "none"), (2, 3, "conv_3x3"))


def test_a_cell_that_uses_all_edges_has_one_input_and_gives_its_last_node():
    space = SearchSpace(dense("cell"))
    arch = space.sample(np.random.default_rng(0))
    (graph,) = cell_graphs(arch, space)
    assert graph.nodes == ("input", "1", "2", "3")
    assert graph.output == (3,)
    assert {(s, t): op for s, t, op in graph.edges} == {edge_of(name): arch[name] for name in arch}


def test_a_space_may_tell_its_cells_itself():
    def graphs(arch):
        return [CellGraph("own", 1, ("in", "out"), ((0, 1, ""),), (1,), ops=("", str(arch["op"])))]

    space = SearchSpace([Decision("op", OPS)], graphs=graphs)
    assert cell_graphs(Architecture({"op": "conv_3x3"}), space)[0].ops == ("", "conv_3x3")
    kept = space.restrict({"op": ["none"]})
    assert cell_graphs(Architecture({"op": "none"}), kept)[0].ops == ("", "none")


def test_every_decision_is_in_a_cell_or_among_the_others():
    decisions, conditions = picking("normal")
    rest = [Decision("depth", (1, 2)), Decision("block/2/inputs", (0, 1)), Decision("learning_rate", (1, 2))]
    space = SearchSpace([rest[0], *decisions, *rest[1:], *dense("reduce")], conditions)
    arch = space.sample(np.random.default_rng(1))
    assert [g.name for g in cell_graphs(arch, space)] == ["normal", "reduce"]
    assert set(other_decisions(arch, cell_graphs(arch, space))) == {
        "depth",
        "block/2/inputs",
        "learning_rate",
    }
    assert cell_of("normal/2/inputs", space) == "normal"
    assert cell_of("block/2/inputs", space) is None


def test_a_cell_that_is_switched_off_is_left_out():
    on = frozenset([frozenset([When("variant", frozenset(["searched"]))])])
    cell = dense("cell")
    space = SearchSpace(
        [Decision("variant", ("searched", "fixed")), *cell], {decision.name: on for decision in cell}
    )
    assert cell_graphs(Architecture({"variant": "fixed"}), space) == ()


@pytest.mark.parametrize("names", [("a/1<-2",), ("a/1<-0", "a/3<-0"), ("a/0<-0",)])
def test_edges_that_make_no_cell_are_ordinary_decisions(names):
    space = SearchSpace([Decision(name, OPS) for name in names])
    arch = Architecture(dict.fromkeys(names, "none"))
    assert cell_graphs(arch, space) == ()
    assert set(other_decisions(arch, ())) == set(names)
