"""Published numbers of different cells."""

import itertools

from nasturtium.spaces.nasbench201 import NAMES, from_string, nasbench201


def test_nasbench201_has_6466_unique_cells_as_published_and_5425_different_functions():
    """6,466: Dong & Yang 2020, https://arxiv.org/abs/2001.00326, who compare cells as texts. The other
    count is ours: cells that differ in zeros or brackets only are one, but an operation used twice isn't two.
    """
    space = nasbench201((3, 32, 32), 10).space
    edges = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
    cells = [from_string(edges.format(*ops)) for ops in itertools.product(NAMES, repeat=6)]
    assert len({space.canonical(arch) for arch in cells}) == 6_466
    assert len({space.canonical(arch, "graph") for arch in cells}) == 5_425
