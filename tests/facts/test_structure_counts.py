"""Published numbers of different cells."""

import itertools

from nasturtium.space.canonical import canonical
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import used
from nasturtium.spaces.base import make_space
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


def vertices(*ops: str, edges: list[tuple[int, int]]) -> CellGraph:
    """A cell with operations at inner vertices, between an input and an output."""
    names = tuple(map(str, range(len(ops) + 2)))
    plain = tuple((s, t, "") for s, t in edges)
    return CellGraph("cell", 1, names, plain, (len(ops) + 1,), ops=("", *ops, ""))


def test_nasbench101_has_as_many_cells_of_up_to_5_vertices_as_its_own_hash_tells_apart():
    """1, 6, 84 and 2,441 of the 423,624 cells of Ying et al. 2019, https://arxiv.org/abs/1902.09635."""
    ops = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
    different = []
    for n in (2, 3, 4, 5):
        pairs = [(s, t) for t in range(1, n) for s in range(t)]
        forms: set[str] = set()
        for there in itertools.product((False, True), repeat=len(pairs)):
            edges = list(itertools.compress(pairs, there))
            if used(edges, n - 1) == list(range(n)) and len(edges) <= 9:
                inner = itertools.product(ops, repeat=n - 2)
                forms.update(canonical(vertices(*chosen, edges=edges)) for chosen in inner)
        different.append(len(forms))
    assert different == [1, 6, 84, 2_441]


def test_nasbench_graph_has_26206_different_networks_as_published():
    """Qin et al. 2022, https://arxiv.org/abs/2206.09166."""
    space = make_space("nasbench-graph", (6,), 3, {"width": 8}).space
    assert len({space.canonical(arch) for arch in space.enumerate()}) == 26_206
