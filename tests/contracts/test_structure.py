"""What encodings and canonical forms must do for every registered space."""

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.cell_graph import CellGraph, cell_graphs
from nasturtium.space.encodings import KINDS, OF_CELLS
from nasturtium.spaces.base import SPACES, make_space


@pytest.fixture(params=SPACES.names())
def space(request):
    entry = SPACES.get(request.param)
    return make_space(request.param, entry.small_shape, entry.classes, entry.small).space


def samples(space, number):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(number)]


def test_cells_are_well_formed(space):
    for arch in samples(space, 10):
        for graph in cell_graphs(arch, space):
            states = range(len(graph.nodes))
            assert all(s in states and t in states and s < t and t >= graph.inputs for s, t, _ in graph.edges)
            assert graph.output
            assert set(graph.output) <= set(states)
            assert len(graph.ops) in (0, len(states))
            assert set(graph.decisions) <= set(arch)


@pytest.mark.parametrize("kind", KINDS)
def test_architectures_have_encodings(space, kind):
    archs = samples(space, 30)
    if space.unbounded or (kind in OF_CELLS and not any(cell_graphs(arch, space) for arch in archs)):
        with pytest.raises(UsageError, match=f"encoding '{kind}'"):
            space.encode(archs, kind)
        return
    codes = space.encode(archs, kind)
    assert codes.shape == (30, len(space.encoding_names(kind)))
    assert codes.dtype == np.float32
    assert np.isfinite(codes).all()
    assert np.array_equal(codes[3], space.encode(archs[3], kind))


def test_architectures_have_canonical_forms(space):
    for arch in samples(space, 6):
        assert space.canonical(arch) == space.canonical(space.validate(arch))
        for graph in cell_graphs(arch, space):
            assert CellGraph.from_dict(vars(graph)) == graph
