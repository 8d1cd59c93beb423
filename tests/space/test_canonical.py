import itertools
import math
from collections import Counter, defaultdict
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from graph_examples import random_cell, renumbered

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.canonical import canonical, written
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


def operations(graph: CellGraph) -> nx.DiGraph:
    """Operations and what they take, made step by step: every state is a vertex, then all states go."""
    g = nx.MultiDiGraph()
    for i in range(len(graph.nodes)):
        op = graph.ops[i] if graph.ops else ""
        g.add_node(("sum", i), what=f"input {i}" if i < graph.inputs else "")
        g.add_node(("state", i), what="" if op == "skip" and graph.keeps_size else op)
        g.add_edge(("sum", i), ("state", i))
    for n, (s, t, op) in enumerate(graph.edges):
        plain = op == "" or (op == "skip" and (graph.keeps_size or s >= graph.inputs))
        g.add_node(("edge", n), what="" if plain else op)
        g.add_edge(("state", s), ("edge", n))
        g.add_edge(("edge", n), ("sum", t))
    if graph.join == "concat":
        for i in graph.output:
            g.add_node(("out", i), what="output")
            g.add_edge(("state", i), ("out", i))
    else:
        g.add_node(("out", 0), what="output")
        g.add_edges_from((("state", i), ("out", 0)) for i in graph.output)
    g.remove_nodes_from([v for v, what in g.nodes(data="what") if what == "none"])
    inputs = [("sum", i) for i in range(graph.inputs)]
    outputs = [v for v in g if v[0] == "out"]
    reached = set(inputs).union(*(nx.descendants(g, v) for v in inputs))
    used = set(outputs).union(*(nx.ancestors(g, v) for v in outputs))
    g.remove_nodes_from(set(g) - (reached & used) - set(inputs) - set(outputs))
    for v in [v for v, what in g.nodes(data="what") if what == ""]:
        ways = [(a, b) for a, _ in g.in_edges(v) for _, b in g.out_edges(v)]
        g.remove_node(v)
        g.add_edges_from(ways)
    if graph.join == "mean":
        takes = Counter(a for a, _ in g.in_edges(outputs[0]))
        n = math.gcd(len(graph.output), *takes.values())
        g.remove_edges_from(list(g.in_edges(outputs[0])))
        g.add_edges_from((a, outputs[0]) for a, times in takes.items() for _ in range(times // n))
        g.nodes[outputs[0]]["what"] = (
            "output" if n == len(graph.output) else f"mean of {len(graph.output) // n}"
        )
    simple = nx.DiGraph()
    simple.add_nodes_from(g.nodes(data=True))
    for a, b in set(g.edges()):
        simple.add_edge(a, b, times=g.number_of_edges(a, b))
    return simple


def same(one: nx.DiGraph, other: nx.DiGraph) -> bool:
    return nx.is_isomorphic(
        one, other, lambda a, b: a["what"] == b["what"], lambda a, b: a["times"] == b["times"]
    )


def cells(number: int, **how) -> list[CellGraph]:
    rng = np.random.default_rng(0)
    return [random_cell(rng, **how) for _ in range(number)]


@pytest.mark.parametrize(("nodes", "density"), [(1, 1.0), (2, 0.8), (3, 0.6), (5, 0.5)])
def test_the_form_is_equal_exactly_for_isomorphic_operations(nodes, density):
    classes = defaultdict(list)
    for graph in cells(250, nodes=nodes, density=density):
        classes[graph.inputs, canonical(graph)].append(operations(graph))
    firsts = [graphs[0] for graphs in classes.values()]
    assert all(same(first, g) for first, graphs in zip(firsts, classes.values(), strict=True) for g in graphs)
    assert not any(same(a, b) for a, b in itertools.combinations(firsts, 2) if len(a) == len(b))
    assert 10 < len(classes) < 250


def test_numbering_plays_no_part():
    rng = np.random.default_rng(1)
    for graph in cells(200, nodes=6, density=0.4):
        again = renumbered(graph, rng)
        assert canonical(again) == canonical(graph)
        assert written(again) == written(graph)


def value(graph: CellGraph, weights: list[float]) -> object:
    """What the cell makes of two numbers, each operation being a curve with a weight of its own."""
    free = iter(weights)

    def done(op: str, x: float, plain: bool) -> float:
        if op == "none":
            return 0.0
        if op == "" or (op == "skip" and plain):
            return x
        y = next(free) * x if x else 0.0
        return {
            "conv": math.tanh(y) + y * y / 5,
            "pool": math.sin(1.3 * y),
            "skip": 0.6 * y + math.cos(y) - 1,
        }[op]

    states: list[float] = []
    for i in range(len(graph.nodes)):
        x = (0.7, -1.3)[i] if i < graph.inputs else 0.0
        for s, t, op in graph.edges:
            if t == i:
                x += done(op, states[s], graph.keeps_size or s >= graph.inputs)
        states.append(done(graph.ops[i] if graph.ops else "", x, graph.keeps_size))
    out = [states[i] for i in graph.output]
    if graph.join == "concat":
        return tuple(sorted(round(x, 9) for x in out))
    return (round(sum(out) / (len(out) if graph.join == "mean" else 1), 9),)


def test_the_form_is_equal_exactly_for_equal_functions():
    """Brute force over who gets which weight: cells with the same values for some of them are the same."""
    weights = [0.37, 1.91, 2.83, 0.71]

    def functions(graph):
        return {(graph.inputs, value(graph, list(w))) for w in itertools.permutations(weights)}

    def count(graph):
        return sum(op not in ("", "none") for op in [op for *_, op in graph.edges] + list(graph.ops))

    small = [g for g in cells(1500, nodes=2, density=0.6) if count(g) <= 4]
    by_form, by_values = defaultdict(list), defaultdict(set)
    for graph in small:
        by_form[graph.inputs, canonical(graph)].append(frozenset(functions(graph)))
    # dead operations use up weights, so equal cells share values rather than all of them
    for form, found in by_form.items():
        assert all(found[0] & values for values in found), form
        for values in frozenset.union(*found):
            by_values[values].add(form)
    assert len(by_form) > 100
    assert all(len(forms) == 1 for forms in by_values.values())


def rings(*lengths: int) -> CellGraph:
    """Operations in rings: each of a second row takes its own and the next of a first row, and all are
    joined. Rings of 6 and of 3+3 look alike from every vertex.
    """
    n = sum(lengths)
    edges = [(0, 1 + i, "conv") for i in range(n)]
    start = 0
    for length in lengths:
        for i in range(length):
            edges += [(1 + start + (i + j) % length, 1 + n + start + i, "") for j in (0, 1)]
        start += length
    ops = ("", *[""] * n, *["conv"] * n)
    return CellGraph(
        "rings", 1, tuple(map(str, range(1 + 2 * n))), tuple(edges), tuple(range(n + 1, 2 * n + 1)), ops=ops
    )


def test_cells_that_look_alike_from_everywhere_are_told_apart():
    rng = np.random.default_rng(2)
    forms = [canonical(rings(*lengths)) for lengths in [(6,), (3, 3), (8,), (4, 4), (3, 5), (12,)]]
    assert len(set(forms)) == len(forms)
    assert forms[1] == canonical(renumbered(rings(3, 3), rng))
    assert forms[4] == canonical(renumbered(rings(5, 3), rng))


def cell(*edges, **how):
    """One input and as many nodes as there are, the last being the output."""
    last = max(t for _, t, _ in edges)
    made = CellGraph(
        "c", 1, tuple(map(str, range(last + 1))), edges, (last,), identity=("skip",), keeps_size=True
    )
    return replace(made, **how)


CONV = cell((0, 1, "conv"))


@pytest.mark.parametrize(
    "graph",
    [
        cell((0, 1, "conv"), (0, 1, "none")),
        cell((0, 1, "conv"), (1, 2, "skip")),
        cell((0, 1, "skip"), (1, 2, "conv")),
        cell((0, 1, ""), (1, 2, "conv"), (0, 2, "null")),
        cell((0, 1, ""), (1, 2, ""), ops=("", "conv", "")),
        cell((0, 1, "conv"), (0, 2, "pool"), output=(1,)),
        cell((0, 2, "conv"), (1, 2, "pool")),
        cell((0, 1, "conv"), (1, 2, "none"), output=(1, 2), join="sum"),
        cell((0, 1, "conv"), (1, 2, "skip"), output=(1, 2), join="mean", ops=("", "", "none")),
    ],
)
def test_what_carries_nothing_is_gone_and_identities_are_contracted(graph):
    assert (canonical(graph) == canonical(CONV)) == (graph.join != "mean")
    assert canonical(cell((0, 1, "none"))) == canonical(cell((0, 1, "skip"), (1, 2, "zero")))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (CONV, cell((0, 1, "pool"))),
        (CONV, cell((0, 1, "conv"), (0, 1, "conv"))),
        (CONV, cell((0, 1, "conv"), (0, 1, "skip"))),
        (cell((0, 1, "conv"), (0, 1, "skip")), cell((0, 1, "conv"), (0, 1, "skip"), (0, 1, ""))),
        # one convolution used twice, and two convolutions
        (
            cell((0, 1, "conv"), (1, 2, "pool"), (1, 2, "skip")),
            cell((0, 1, "conv"), (1, 2, "pool"), (0, 2, "conv")),
        ),
        (CONV, replace(CONV, identity=(), edges=((0, 1, "skip"),))),
        (cell((0, 1, "skip"), (1, 2, "conv")), cell((0, 1, "skip"), (1, 2, "conv"), keeps_size=False)),
        (cell((0, 1, "conv"), output=(0, 1)), cell((0, 1, "conv"), output=(0, 1), join="sum")),
        (cell((0, 1, "conv"), output=(0, 1), join="mean"), cell((0, 1, "conv"), output=(0, 1), join="sum")),
        (
            CellGraph("c", 2, ("a", "b", "2"), ((0, 2, "conv"), (1, 2, "pool")), (2,)),
            CellGraph("c", 2, ("a", "b", "2"), ((1, 2, "conv"), (0, 2, "pool")), (2,)),
        ),
    ],
)
def test_cells_that_differ_have_different_forms(one, other):
    assert canonical(one) != canonical(other)


def test_joined_states_have_no_order():
    one = cell((0, 1, "conv"), (0, 2, "pool"), output=(1, 2))
    assert canonical(one) == canonical(cell((0, 1, "pool"), (0, 2, "conv"), output=(1, 2)))


def test_skip_connections_of_a_reducing_cell_are_contracted_between_nodes_only():
    edges = ((0, 1, "skip"), (1, 2, "skip"), (2, 3, "conv"))
    normal, reducing = cell(*edges), cell(*edges, keeps_size=False)
    assert canonical(normal) == canonical(CONV)
    assert canonical(reducing) == canonical(cell((0, 1, "skip"), (1, 2, "conv"), identity=()))


def test_many_equal_branches_take_no_time():
    graph = cell(*((0, i, "conv") for i in range(1, 13)), *((i, i + 12, "pool") for i in range(1, 13)))
    graph = replace(graph, output=tuple(range(13, 25)))
    assert canonical(graph) == canonical(renumbered(graph, np.random.default_rng(0)))


def test_doubling_states_is_no_trouble():
    edges = [(i, i + 1, op) for i in range(60) for op in ("", "skip")]
    assert canonical(cell(*edges)) == f"({2**60}*0)"
    assert math.log2(int(canonical(cell(*edges)).strip("()").split("*")[0])) == 60


def test_an_architecture_is_named_by_its_cells_and_what_they_do_not_show():
    def graphs(arch):
        return [replace(CONV, edges=((0, 1, str(arch["a"])), (0, 1, str(arch["b"]))), decisions=("a", "b"))]

    ops = ("none", "conv", "pool")
    space = SearchSpace([Decision("a", ops), Decision("b", ops), Decision("depth", (1, 2))], graphs=graphs)
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 6 * 2
    assert len({space.canonical(arch, "written") for arch in space.enumerate()}) == 6 * 2
    blind = SearchSpace([*space.decisions.values()])
    assert len({blind.canonical(arch) for arch in blind.enumerate()}) == 9 * 2
    with pytest.raises(UsageError, match="unknown canonical form 'wirtten': did you mean 'written'"):
        space.canonical(Architecture({"a": "conv", "b": "conv", "depth": 1}), "wirtten")


def test_recognised_cells_are_contracted_where_that_is_sure():
    names = [f"cell/{n}<-{s}" for n in (1, 2) for s in range(n)]
    space = SearchSpace([Decision(name, ("none", "skip_connect", "conv")) for name in names])

    def key(*ops):
        return space.canonical(Architecture(dict(zip(names, ops, strict=True))))

    assert (
        key("conv", "none", "skip_connect")
        == key("none", "conv", "conv")
        == key("skip_connect", "conv", "none")
    )
    assert key("skip_connect", "none", "conv") != key("conv", "none", "skip_connect")
