"""Figures published for spaces of dense prediction."""

import math

import pytest
import torch

from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.cells.merging import merges_of
from nasturtium.modules.choice import Building, building
from nasturtium.modules.derive import strip
from nasturtium.spaces.auto_deeplab import AUTO_DEEPLAB, auto_deeplab, from_genotype
from nasturtium.spaces.nas_fpn import FREE, LEVELS, NAS_FPN, from_blocks, nas_fpn
from nasturtium.spaces.proxylessnas import proxylessnas


@pytest.mark.parametrize(
    ("channels", "millions", "exactly"),
    [(20, "10.15", 10_147_427), (32, "21.62", 21_622_451), (48, "44.42", 44_424_691)],
)
def test_auto_deeplab_s_m_and_l_have_their_published_parameters(channels, millions, exactly):
    """The paper's table of Cityscapes (19 classes) gives them in millions."""
    arch = from_genotype(AUTO_DEEPLAB)
    with torch.device("meta"), building(Building(arch)):
        net = strip(auto_deeplab((3, 321, 321), 19, channels=channels).make(), arch, in_place=True)
    assert count_parameters(net) == exactly
    assert f"{exactly / 1e6:.2f}" == millions


def paths(layers: int, starts: tuple[int, ...]) -> int:
    """Paths over four levels that begin at one of `starts` and move by at most one level a layer."""
    walks = [(start,) for start in starts]
    for _ in range(layers - 1):
        walks = [(*w, w[-1] + step) for w in walks for step in (-1, 0, 1) if 0 <= w[-1] + step < 4]
    return len(walks)


def test_the_sizes_of_auto_deeplab():
    """The paper has 2.9·10⁴ paths, which start at stride 4, and 5.6·10¹⁴ cells, whose five blocks choose
    twice, in order and with repetition, among the states so far and 8 operations.

    Ours may also start at stride 8, and blocks take two different states with 7 operations (see the space).
    """
    assert paths(12, (0,)) == 28_657
    assert paths(12, (0, 1)) == 75_025
    assert math.prod((states * 8) ** 2 for states in range(2, 7)) == 556_627_761_561_600
    cells = math.prod(math.comb(states, 2) * 7**2 for states in range(2, 7))
    space = auto_deeplab((3, 321, 321), 19).space
    assert space.size() == 75_025 * cells
    assert space.restrict({"path/0/4": [4]}).size() == 28_657 * cells


def test_the_size_of_nas_fpn():
    """Seven cells with a pair of different features and one of two merges; the first two have one of five
    levels, the others are the five levels in any order.
    """
    pairs = math.prod(math.comb(features, 2) for features in range(5, 12))
    size = pairs * 2**7 * 5**2 * math.factorial(5)
    assert size == 3_017_710_080_000_000
    assert nas_fpn((3, 512, 512), 80, fixed_backbone=1).space.size() == size
    assert nas_fpn((3, 512, 512), 80).space.size() == size * proxylessnas((3, 512, 512), 80).space.size()


def test_the_published_pyramid_of_nas_fpn_has_its_outputs_and_leftovers():
    """In the authors' code the output of P5 adds the pyramid's P5, that of P7 its P7, which nothing uses."""
    merges = merges_of(from_blocks(NAS_FPN), "fpn", LEVELS, FREE)
    assert [merge.unused for merge in merges] == [(), (), (), (), (2,), (4,), ()]
    assert [merge.level for merge in merges[FREE:]] == [3, 4, 5, 7, 6]
