import itertools
from dataclasses import replace

import numpy as np
import pytest
from graph_examples import random_cell
from space_examples import condition, conditional, darts_like, draws, when

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

KINDS = ("onehot", "continuous", "adjacency", "path", "graph-features")
OF_CELLS = KINDS[2:]


def drawn(number: int = 150, *, inputs: int = 2, nodes: int = 3) -> tuple[SearchSpace, list[CellGraph]]:
    """A space whose only decision says which of many random cells it is."""
    rng = np.random.default_rng(inputs)
    cells = [random_cell(rng, inputs=inputs, nodes=nodes) for _ in range(number)]
    cells = [replace(cell, decisions=("which",)) for cell in cells]
    which = Decision("which", tuple(range(number)))
    return SearchSpace([which], graphs=lambda arch: [cells[int(arch["which"])]]), cells


def encoded(space: SearchSpace, kind: str) -> list[dict[str, float]]:
    """All architectures of the space, one dictionary each."""
    names = space.encoding_names(kind)
    return [
        dict(zip(names, row.tolist(), strict=True)) for row in space.encode(list(space.enumerate()), kind)
    ]


def ways(cell: CellGraph, start: int) -> list[tuple[list[str], list[object]]]:
    """Every way from an input to an output: its operations, and the edges and states that it passes."""

    def op_at(state):
        return cell.ops[state] if cell.ops else ""

    def walk(state, ops, passed):
        ops = [*ops, *filter(None, [op_at(state)])]
        passed = [*passed, ("state", state)]
        if state in cell.output:
            yield ops, passed
        for n, (s, t, op) in enumerate(cell.edges):
            if s == state:
                yield from walk(t, [*ops, *filter(None, [op])], [*passed, ("edge", n)])

    return list(walk(start, [], []))


@pytest.mark.parametrize("inputs", [1, 2])
def test_adjacency_says_how_many_edges_there_are_and_what_is_on_them(inputs):
    space, cells = drawn(inputs=inputs)
    for cell, row in zip(cells, encoded(space, "adjacency"), strict=True):
        expected = dict.fromkeys(row, 0.0)
        for s, t, op in cell.edges:
            expected[f"cell/{t}<-{s}"] += op != "none"
            if op:
                expected[f"cell/{t}<-{s}={op}"] += 1
        for t, op in enumerate(cell.ops):
            if op:
                expected[f"cell/{t}={op}"] += 1
        for t in cell.output:
            expected[f"cell/output<-{t}"] = 1
        assert row == expected


@pytest.mark.parametrize("inputs", [1, 2])
def test_paths_are_those_that_a_walk_through_the_cell_finds(inputs):
    space, cells = drawn(inputs=inputs)
    for cell, row in zip(cells, encoded(space, "path"), strict=True):
        found = set()
        for i in range(inputs):
            for ops, _ in ways(cell, i):
                if "none" not in ops:
                    found.add("→".join([f"cell/{i}", *(ops or ["output"])]))
        assert {name for name, value in row.items() if value} == found & row.keys()
        assert all(name.count("→") > 5 for name in found - row.keys())
        assert set(row.values()) <= {0.0, 1.0}


@pytest.mark.parametrize("inputs", [1, 2])
def test_graph_features_are_those_that_a_walk_through_the_cell_finds(inputs):
    space, cells = drawn(inputs=inputs)
    never = max(
        value for row in encoded(space, "graph-features") for n, value in row.items() if "shortest" in n
    )
    for cell, row in zip(cells, encoded(space, "graph-features"), strict=True):
        assert row == features(cell, never)


def features(cell: CellGraph, never: float) -> dict[str, float]:
    at = dict(enumerate(cell.ops or [""] * len(cell.nodes)))
    carried = [
        (ops, passed) for i in range(cell.inputs) for ops, passed in ways(cell, i) if "none" not in ops
    ]
    live = set().union(*(passed for _, passed in carried))
    all_ops = [op for *_, op in cell.edges] + list(cell.ops)
    live_ops = [op for n, (*_, op) in enumerate(cell.edges) if ("edge", n) in live]
    live_ops += [at[i] for i in at if ("state", i) in live]
    found = {}
    for op in ("conv", "none", "pool", "skip"):
        found[f"cell/count {op}"] = all_ops.count(op)
        found[f"cell/live {op}"] = live_ops.count(op)
    for size in (1, 2, 3):
        for subset in itertools.combinations(("conv", "pool", "skip"), size):
            label = "+".join(subset)
            for i in range(cell.inputs):
                lengths = [len(ops) for ops, _ in ways(cell, i) if set(ops) <= set(subset)]
                found[f"cell/shortest from {i} [{label}]"] = min(lengths, default=never)
                found[f"cell/longest from {i} [{label}]"] = max(lengths, default=0)
                leaving = [(op or at[t]) in subset for s, t, op in cell.edges if s == i]
                found[f"cell/out of {i} [{label}]"] = sum(leaving)
            entering = [(t, (op or at[s]) in subset) for s, t, op in cell.edges]
            found[f"cell/into output [{label}]"] = sum(of for t, of in entering if t in cell.output)
            mean = sum(of for _, of in entering) / len(cell.nodes)
            found[f"cell/mean degree [{label}]"] = float(np.float32(mean))
    return found


def test_continuous_scales_ordered_decisions_and_says_whether_they_are_active():
    space = SearchSpace(
        [
            Decision("depth", (2, 3, 6), ordered=True),
            Decision("op", ("conv", "pool")),
            Decision("kernel", (3, 5), ordered=True),
            Decision("rate", (0.1,), ordered=True),
        ],
        {"kernel": condition([when("op", "conv")])},
    )
    assert space.encoding_names("continuous") == (
        "depth",
        "op=conv",
        "op=pool",
        "kernel",
        "kernel is active",
        "rate",
    )
    conv = Architecture({"depth": 3, "op": "conv", "kernel": 3, "rate": 0.1})
    pool = Architecture({"depth": 6, "op": "pool", "rate": 0.1})
    codes = space.encode([conv, pool], "continuous")
    assert codes.tolist() == [[0.5, 1, 0, 0, 1, 0], [1, 0, 1, 0, 0, 0]]
    assert codes.dtype == np.float32


def test_decisions_outside_of_cells_follow_the_cells():
    cells = darts_like()
    decisions = [*cells.decisions.values(), Decision("depth", (8, 14, 20), ordered=True)]
    space = SearchSpace(decisions, cells.conditions)
    for kind in OF_CELLS:
        assert space.encoding_names(kind)[:-1] == cells.encoding_names(kind)
        archs = list(draws(space, 5))
        assert space.encode(archs, kind)[:, -1].tolist() == [
            {8: 0.0, 14: 0.5, 20: 1.0}[a["depth"]] for a in archs
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_one_is_encoded_like_many(kind):
    space = darts_like()
    archs = list(draws(space, 7))
    together = space.encode(archs, kind)
    assert together.dtype == np.float32
    assert together.shape == (7, len(space.encoding_names(kind)))
    assert len(set(space.encoding_names(kind))) == together.shape[1]
    assert np.array_equal(together, [space.encode(arch, kind) for arch in archs])
    assert space.encode([], kind).shape == (0, together.shape[1])


def test_long_paths_are_left_out_whole_lengths_at_a_time():
    lengths = {name.count("→") for name in darts_like().encoding_names("path")}
    assert lengths == {1, 2, 3}
    assert len(darts_like().encoding_names("path")) == 2 * 2 * (7 + 7**2 + 7**3)


def test_a_cell_that_is_switched_off_is_all_zero():
    names = [f"cell/{n}<-{s}" for n in (1, 2) for s in range(n)]
    on = condition([when("variant", "searched")])
    space = SearchSpace(
        [Decision("variant", ("searched", "fixed")), *(Decision(name, ("", "conv")) for name in names)],
        dict.fromkeys(names, on),
    )
    for kind in OF_CELLS:
        off = dict(
            zip(
                space.encoding_names(kind),
                space.encode(Architecture({"variant": "fixed"}), kind),
                strict=True,
            )
        )
        shortest = [value for name, value in off.items() if "shortest" in name]
        assert all(value == 3 for value in shortest)
        assert sum(off.values()) == 3 * len(shortest) + 1


def test_options_that_few_architectures_have_are_in_the_layout():
    """The third kind of node is behind two switches, each of which hardly any architecture has on."""
    ops = Decision("op", (*map(str, range(300)), "rare"))
    deeper = Decision("deeper", (*map(str, range(300)), "conv"))

    def graphs(arch):
        chosen = str(arch.get("deeper", "skip"))
        return [CellGraph("cell", 1, ("a", "b"), ((0, 1, chosen),), (1,), decisions=("op", "deeper"))]

    space = SearchSpace([ops, deeper], {"deeper": condition([when("op", "rare")])}, graphs=graphs)
    assert "cell/1<-0=conv" in space.encoding_names("adjacency")
    assert space.encode(Architecture({"op": "rare", "deeper": "conv"}), "path").sum() == 1


def test_what_cannot_be_encoded_is_refused():
    space = conditional()
    arch = space.sample(np.random.default_rng(0))
    with pytest.raises(UsageError, match="unknown encoding 'grahp-features': did you mean 'graph-features'"):
        space.encode(arch, "grahp-features")
    for kind in OF_CELLS:
        with pytest.raises(UsageError, match=f"'{kind}' needs cells and this space has none: use 'onehot'"):
            space.encode(arch, kind)
    with pytest.raises(UsageError, match="unknown decision 'kid'"):
        space.encode([arch, Architecture({"kid": "none"})])
    with pytest.raises(UsageError, match="'kind' got 'cov'; allowed: none, conv, pool"):
        space.encode(Architecture({"kind": "cov"}))
    space.unbounded = True
    with pytest.raises(UsageError, match="space without end"):
        space.encode(arch)


def test_a_cell_unlike_all_others_is_refused():
    def graphs(arch):
        op = "odd" if set(arch.values()) == {"a"} else "conv"
        states = 3 if set(arch.values()) == {"b"} else 2
        edges = tuple((0, t, op) for t in range(1, states))
        return [
            CellGraph("new" if set(arch.values()) == {"c"} else "cell", 1, tuple("xyz"[:states]), edges, (1,))
        ]

    names = [f"d{i}" for i in range(12)]
    space = SearchSpace([Decision(name, ("a", "b", "c", "d")) for name in names], graphs=graphs)
    for option, message in [
        ("a", "has the operation 'odd'"),
        ("b", "has the states x, y, z"),
        ("c", "'new' is new"),
    ]:
        with pytest.raises(UsageError, match=message):
            space.encode(Architecture(dict.fromkeys(names, option)), "path")


def test_states_that_are_left_out_do_not_move_the_others():
    def graphs(arch):
        kept = ["in", *(name for name in "abc" if arch[name] != "no")]
        edges = tuple((i - 1, i, "") for i in range(1, len(kept)))
        ops = ("", *(str(arch[name]) for name in kept[1:]))
        return [CellGraph("cell", 1, tuple(kept), edges, (len(kept) - 1,), ops=ops, decisions=tuple("abc"))]

    space = SearchSpace([Decision(name, ("no", "conv", "pool")) for name in "abc"], graphs=graphs)
    for row, arch in zip(encoded(space, "adjacency"), space.enumerate(), strict=True):
        for state, name in enumerate("abc", start=1):
            for op in ("conv", "pool"):
                assert row[f"cell/{state}={op}"] == (arch[name] == op)


def test_states_of_one_name_are_told_apart_by_number():
    edges = {"a": ((0, 1, "conv"),), "b": ((0, 1, "conv"), (1, 2, "conv"))}

    def graphs(arch):
        n = len(edges[str(arch["which"])])
        return [CellGraph("cell", 1, ("s",) * (n + 1), edges[str(arch["which"])], (n,))]

    space = SearchSpace([Decision("which", ("a", "b"))], graphs=graphs)
    assert [row["cell/2<-1=conv"] for row in encoded(space, "adjacency")] == [0, 1]
