import pytest

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import DartsNetwork, darts, from_genotype, to_genotype
from nasturtium.spaces.pc_darts import PC_DARTS_CIFAR, PC_DARTS_IMAGENET, pc_darts


@pytest.mark.parametrize("genotype", [PC_DARTS_CIFAR, PC_DARTS_IMAGENET])
def test_the_published_cells_are_points_of_the_space(genotype):
    blueprint = pc_darts((3, 16, 16), 10, channels=4, cells=3)
    arch = from_genotype(genotype)
    assert arch in blueprint.space
    assert arch in blueprint.points.values()
    assert from_genotype(to_genotype(arch)) == arch
    assert blueprint.notation(arch).startswith("Genotype(normal=[(")


def test_space_and_network_are_those_of_darts():
    ours, theirs = pc_darts((3, 16, 16), 10), darts((3, 16, 16), 10)
    assert ours.space.to_dict() == theirs.space.to_dict()
    assert isinstance(pc_darts((3, 16, 16), 10, channels=4, cells=3).make(), DartsNetwork)


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 7, 8), {}, "'pc-darts' needs images of at least 8×8 pixels, got 7×8"),
        ((3, 8, 8), {"cells": 2}, "'pc-darts' needs at least 3 cells for its two reductions, got 2"),
        ((3, 64, 64), {"channels": 1, "imagenet": 1}, "'pc-darts' needs at least 2 channels with 'imagenet'"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("pc-darts", shape, 10, sizes)
