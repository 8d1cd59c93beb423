import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.decision import Decision
from nasturtium.spaces.base import make_space
from nasturtium.spaces.nasbench201 import NAMES
from nasturtium.tables.nasbench_graph import (
    LINKS,
    Plan,
    benchmark_key,
    from_lists,
    from_text,
    plan,
    to_text,
)

EXAMPLE = ([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"])  # of the benchmark's own description


@pytest.mark.parametrize(
    ("links", "operations", "steps", "joined"),
    [
        ([0, 0, 0, 0], "gat gcn gin fc", ((1, 0), (2, 0), (3, 0), (4, 0)), (1, 2, 3, 4)),
        ([0, 1, 2, 3], "gat gcn gin fc", ((1, 0), (2, 1), (3, 2), (4, 3)), (4,)),
        ([0, 1, 1, 2], "gcn cheb gin fc", ((1, 0), (2, 1), (3, 1), (4, 2)), (3, 4)),
        ([0, 1, 2, 3], "skip gcn skip gcn", ((2, 0), (4, 2)), (4,)),  # what hangs on a skip hangs before it
        ([0, 1, 2, 3], "gcn gcn gcn skip", ((1, 0), (2, 1), (3, 2)), (3,)),  # repeats the only node before
        ([0, 1, 1, 1], "gcn gcn skip gin", ((1, 0), (2, 1), (3, 1), (4, 1)), (2, 3, 4)),  # keeps node 1
        ([0, 1, 1, 1], "gcn skip skip skip", ((1, 0), (2, 1), (3, 1), (4, 1)), (2, 3, 4)),
        ([0, 0, 0, 0], "gat skip gin fc", ((1, 0), (3, 0), (4, 0)), (1, 3, 4)),  # raw features are not joined
        ([0, 0, 1, 2], "skip gcn skip gin", ((2, 0), (4, 2)), (4,)),
        ([0, 1, 2, 2], "gcn skip gin skip", ((1, 0), (3, 1), (4, 1)), (3, 4)),
        ([0, 1, 2, 3], "skip skip skip skip", (), ()),
    ],
)
def test_only_nodes_that_change_something_are_computed(links, operations, steps, joined):
    assert plan(links, operations.split()) == Plan(steps, joined)


def test_the_example_of_the_benchmark_may_be_told_in_any_order():
    """Its description says so of gcn, cheb, gin, fc as well, but there the linear layer hangs on cheb."""
    arch = from_lists(*EXAMPLE)
    assert to_text(arch) == "[0, 1, 1, 2] gcn gin cheb fc"
    assert arch == from_lists([0, 1, 1, 2], ["gcn", "gin", "cheb", "fc"])
    assert benchmark_key(arch) != benchmark_key(from_lists([0, 1, 1, 2], ["gcn", "cheb", "gin", "fc"]))


def test_texts_survive_a_round_trip():
    blueprint = make_space("nasbench-graph", (6,), 3, {"width": 8})
    rng = np.random.default_rng(0)
    for _ in range(30):
        arch = blueprint.space.sample(rng)
        assert from_text(blueprint.notation(arch)) == arch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[0, 1, 1, 2] gcn cheb gin", r"a list of 4 operations, got \['gcn', 'cheb', 'gin'\]"),
        ("[0, 1, 1] gcn cheb gin fc", r"a list of 4 links, got \[0, 1, 1\]"),
        ("[0, 1, 3, 2] gcn cheb gin fc", "node 3 got input 3; it can only use 0 .the features. to 2"),
        ("[0, 1, 1, 2] gcn cheb gen fc", "node 3 got 'gen': did you mean 'gin'"),
        ("[0, 1, 1, 2] gcn cheb gin none", "node 4 got 'none'"),
        ("[0, 1, 1, 2] skip skip skip skip", "every node skips"),
        (
            "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
            "no network of NAS-Bench-Graph; expected one such",
        ),
        (" ".join(NAMES), "no network of NAS-Bench-Graph"),
        ("", "no network of NAS-Bench-Graph"),
        (None, "None is no network of NAS-Bench-Graph"),
        (EXAMPLE, "no network of NAS-Bench-Graph"),
    ],
)
def test_bad_texts_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        from_text(text)


@pytest.mark.parametrize(
    ("links", "operations", "message"),
    [
        (None, EXAMPLE[1], "a list of 4 links, got None"),
        (EXAMPLE[0], "gcn gin fc cheb", "a list of 4 operations, got 'gcn gin fc cheb'"),
        ([0, "1", 1, 2], EXAMPLE[1], "node 2 got input '1'"),
        (EXAMPLE[0], ["gcn", None, "fc", "cheb"], "node 2 got None"),
    ],
)
def test_bad_lists_are_refused_with_the_part(links, operations, message):
    with pytest.raises(UsageError, match=message):
        from_lists(links, operations)


def test_training_settings_are_no_part_of_the_graph():
    blueprint = make_space("nasbench-graph", (6,), 3, {"width": 8})
    space = blueprint.with_settings([Decision("train/learning_rate", (0.1, 0.2))]).space
    one, other = (Architecture({**from_lists(*EXAMPLE), "train/learning_rate": rate}) for rate in (0.1, 0.2))
    assert space.canonical(one) != space.canonical(other)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[0, 1, 1, 2] gcn cheb gin fc", 61327),
        ("[0, 1, 2, 3] gcn skip skip gcn", 88811),
        ("[0, 1, 2, 3] skip skip gcn gcn", 88811),
        ("[0, 0, 1, 2] gin gat fc gcn", 30217),  # of the two branches the smaller first operation leads
        ("[0, 0, 0, 0] gat skip gin fc", 58027),
        ("[0, 0, 0, 0] fc gin gat gcn", 127),  # after the digit 0 of the links
    ],
)
def test_keys_are_those_of_the_benchmarks_tables(text, key):
    assert benchmark_key(from_text(text)) == key


def test_a_network_computes_what_its_graph_tells():
    blueprint = make_space("nasbench-graph", (6,), 3, {"width": 8})
    arch = from_lists(*EXAMPLE)
    net = blueprint.build(arch, seed=0).train()
    x, links = blueprint.inputs(5)
    gcn, gin, cheb, fc = net.macro.nodes
    one = gcn(x, links)
    two = gin.layer(F.relu(gin.norm(one)), links)
    three = cheb.layer(F.relu(cheb.norm(one)), links)
    four = fc.layer(F.relu(fc.norm(two)), links)
    expected = net.macro.join(F.relu(torch.cat([three, four], dim=1)))
    torch.testing.assert_close(net(x, links), expected)
    (graph,) = cell_graphs(arch, blueprint.space)
    assert graph.nodes == ("features", "1", "2", "3", "4")
    assert graph.ops == ("", "gcn", "gin", "cheb", "fc")
    assert graph.edges == ((0, 1, ""), (1, 2, ""), (1, 3, ""), (2, 4, ""))
    assert graph.output == (3, 4)


@pytest.mark.parametrize("nodes", [1, 2, 7])
def test_example_graphs_link_their_own_nodes(nodes):
    x, links = make_space("nasbench-graph", (6,), 3, {"width": 8}).inputs(nodes)
    assert x.shape == (nodes, 6)
    assert links.shape == (2, 6 * nodes)
    assert links.dtype == torch.int64
    assert 0 <= links.min() <= links.max() < nodes


def test_a_last_layer_may_follow():
    blueprint = make_space("nasbench-graph", (6,), 3, {"width": 8, "post": 1})
    net = blueprint.build(from_lists(*EXAMPLE), seed=0)
    assert (net.macro.join.out_features, net.classifier.out_features) == (8, 3)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(UsageError, match="width that 4 heads can share, got 6"):
        make_space("nasbench-graph", (6,), 3, {"width": 6})


def test_networks_of_torch_geometric_compute_the_same_from_the_same_weights():
    pytest.importorskip("torch_geometric", reason="pip install 'nasturtium[graph]'")
    sizes = {"width": 8}
    ours = make_space("nasbench-graph", (6,), 3, sizes)
    theirs = make_space("nasbench-graph", (6,), 3, {**sizes, "geometric": 1})
    assert theirs.space.size() == ours.space.size()
    for links, operations in ((LINKS[3], "gat gcn gin cheb"), (LINKS[0], "sage arma graph fc")):
        arch = from_lists([int(link) for link in links], operations.split())
        net, other = ours.build(arch, seed=0).eval(), theirs.build(arch, seed=0).eval()
        assert net.load_state_dict(other.state_dict(), strict=False).missing_keys == []
        with torch.no_grad():
            torch.testing.assert_close(net(*ours.inputs(9)), other(*ours.inputs(9)), rtol=1e-5, atol=1e-5)


def test_torch_geometric_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    with pytest.raises(UsageError, match=r"pip install 'nasturtium\[graph\]'"):
        make_space("nasbench-graph", (6,), 3, {"geometric": 1})
