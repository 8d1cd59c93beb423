import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs, other_decisions
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.spaces.darts import DARTS_V2, Genotype, darts, from_genotype, to_genotype


def test_genotypes_survive_a_round_trip():
    space = darts((3, 8, 8), 10, channels=4, cells=3).space
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = space.sample(rng)
        assert from_genotype(to_genotype(arch)) == arch
        assert from_genotype(to_genotype(arch)._asdict()) == arch


def test_darts_v2_reads_as_published():
    arch = from_genotype(DARTS_V2)
    assert arch in darts((3, 8, 8), 10).space
    assert arch["normal/5/inputs"] == (0, 2)
    assert arch["normal/5<-2"] == "dil_conv_3x3"
    again = to_genotype(arch)
    for cell in ("normal", "reduce"):
        ours, theirs = getattr(again, cell), getattr(DARTS_V2, cell)
        assert [set(ours[i : i + 2]) for i in (0, 2, 4, 6)] == [set(theirs[i : i + 2]) for i in (0, 2, 4, 6)]
    assert again.normal_concat == again.reduce_concat == [2, 3, 4, 5]


def test_cells_are_told_as_their_names_tell_them():
    space = darts((3, 8, 8), 10).space
    named = SearchSpace([*space.decisions.values()], space.conditions)
    for seed in range(20):
        arch = space.sample(np.random.default_rng(seed))
        told = [replace(graph, keeps_size=False) for graph in cell_graphs(arch, space)]
        assert told == list(cell_graphs(arch, named))
        assert other_decisions(arch, told) == {}


@pytest.mark.parametrize("cell", ["normal", "reduce"])
def test_canonical_forms_trust_skip_connections_where_the_image_keeps_its_size(cell):
    space, sep, dil, skip = darts((3, 8, 8), 10).space, "sep_conv_3x3", "dil_conv_3x3", "skip_connect"

    def key(*edges):
        return space.canonical(from_genotype(DARTS_V2._replace(**{cell: list(edges)})))

    # nodes 2 and 3 are the sum of both inputs: the same state unless each makes its own reduction of them
    same = [(skip, 0), (skip, 1), (skip, 0), (skip, 1)]
    one = key(*same, (sep, 2), (skip, 0), (dil, 2), (skip, 1))
    two = key(*same, (sep, 2), (skip, 0), (dil, 3), (skip, 1))
    assert (one == two) == (cell == "normal")
    # two nodes exchanged
    one = key((sep, 0), (dil, 1), (sep, 1), (dil, 0), (skip, 2), (sep, 3), (skip, 0), (dil, 4))
    two = key((sep, 1), (dil, 0), (sep, 0), (dil, 1), (skip, 3), (sep, 2), (skip, 0), (dil, 4))
    assert one == two


def test_what_is_joined_may_be_a_range():
    assert from_genotype(DARTS_V2._replace(normal_concat=range(2, 6))) == from_genotype(DARTS_V2)


def changed(cell: str, at: int, edge: object) -> Genotype:
    edges = list(getattr(DARTS_V2, cell))
    edges[at] = edge
    return DARTS_V2._replace(**{cell: edges})


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (changed("normal", 0, ("sep_conv_9x9", 0)), "'normal/2<-0' got 'sep_conv_9x9'.*max_pool_3x3, "),
        (changed("normal", 0, ("none", 0)), "'normal/2<-0' got 'none'"),
        (changed("reduce", 3, ("skip_connect", 3)), "'reduce/3<-3': node 3 can only use states 0 to 2"),
        (changed("reduce", 3, ("skip_connect", -1)), "'reduce/3<--1': node 3 can only use states 0 to 2"),
        (changed("normal", 7, ("skip_connect", 0)), "node 5 of cell 'normal' uses state 0 twice"),
        (changed("normal", 7, ("skip_connect", "2")), "'normal'.*node 5"),
        (changed("normal", 7, "skip_connect"), "'normal'.*node 5"),
        (DARTS_V2._replace(normal=DARTS_V2.normal[:7]), "'normal' has 7 edges; it needs 8"),
        (DARTS_V2._replace(reduce=5), "'reduce'"),
        (DARTS_V2._replace(reduce_concat=[4, 5]), "'reduce' joins"),
        (DARTS_V2._replace(normal_concat=5), "'normal' joins 5; expected a list of states"),
        ({"normal": DARTS_V2.normal}, "without a 'reduce' cell"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "genotype"),
        (None, "genotype"),
    ],
)
def test_bad_genotypes_are_refused_with_the_part(genotype, message):
    with pytest.raises(UsageError, match=message):
        from_genotype(genotype)


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 7, 8), {}, "'darts' needs images of at least 8×8 pixels, got 7×8"),
        ((3, 8, 8), {"cells": 2}, "'darts' needs at least 3 cells for its two reductions, got 2"),
        ((3, 8, 8), {"chanels": 2}, "'darts' has no network size 'chanels': did you mean 'channels'"),
        ((3, 8, 8), {"channels": 0}, "channels.* 0"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("darts", shape, 10, sizes)


def test_an_unknown_space_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="unknown space 'dart': did you mean 'darts'"):
        make_space("dart", (3, 8, 8), 10, {})
    assert {"darts", "nasbench201"} <= set(SPACES.names())
    assert re.match("https://", SPACES.info("darts").paper)


@pytest.mark.parametrize("cells", [3, 4, 5, 7])
def test_reductions_halve_the_image_at_one_and_two_thirds(cells):
    arch = from_genotype(DARTS_V2)
    net = darts((3, 16, 16), 10, channels=4, cells=cells).build(arch, seed=0)
    sizes = []
    for cell in net.cells:
        cell.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    net(torch.randn(2, 3, 16, 16))
    expected, width, size = [], 4, 16
    for i in range(cells):
        if i in (cells // 3, 2 * cells // 3):
            width, size = 2 * width, size // 2
        expected.append((4 * width, size, size))
    assert sizes == expected


def test_only_the_inputs_of_a_reduction_cell_are_strided():
    net = darts((3, 16, 16), 10, channels=4, cells=3).make()
    for cell in net.cells[1].cell.nodes:
        for source, edge in cell.edges.items():
            pool = next(m for m in edge.modules() if isinstance(m, torch.nn.MaxPool2d))
            assert pool.stride == (2 if int(source) < 2 else 1)


def test_preprocessing_reduces_after_a_reduction():
    net = darts((3, 16, 16), 10, channels=4, cells=7).build(from_genotype(DARTS_V2), seed=0)
    kinds = [type(cell.preprocess0).__name__ for cell in net.cells]
    assert [i for i, kind in enumerate(kinds) if kind == "FactorizedReduce"] == [3, 5]  # after cells 2 and 4


def test_the_auxiliary_head_speaks_only_in_training():
    arch = from_genotype(DARTS_V2)
    net = darts((3, 8, 8), 7, channels=4, cells=3, auxiliary=1).build(arch, seed=0)
    x = torch.randn(2, 3, 8, 8)
    assert [logits.shape for logits in net.train()(x)] == [(2, 7), (2, 7)]
    assert net.eval()(x).shape == (2, 7)


def test_notation_is_the_genotype():
    arch = from_genotype(DARTS_V2)
    text = darts((3, 8, 8), 10).notation(arch)
    assert text.startswith("Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ")
    assert isinstance(arch, Architecture)
