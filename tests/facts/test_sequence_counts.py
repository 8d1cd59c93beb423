"""Figures that others published about recurrent, graph and recommendation networks."""

import itertools
import math

import torch

from nasturtium.hardware.meters import count_parameters
from nasturtium.spaces import darts_rnn
from nasturtium.spaces.base import make_space
from nasturtium.tables.nasbench_graph import LINKS, NODES, OPERATIONS, plan


def test_the_recurrent_darts_cell_has_its_published_parameters():
    """22.960 million is what the authors give for their trained network on Penn Treebank."""
    with torch.device("meta"):
        net = make_space("darts-rnn", (35,), 10_000).build(
            darts_rnn.from_genotype(darts_rnn.DARTS_V2), seed=0
        )
    assert count_parameters(net) == 22_960_000


def test_sizes_of_recurrent_spaces():
    """ENAS' paper gives 4^N·(N−1)! for N nodes; in DARTS the first node, too, has one state before it."""
    assert make_space("enas-rnn", (35,), 10_000, {"width": 8}).space.size() == 4**12 * math.factorial(11)
    assert make_space("darts-rnn", (35,), 10_000, {"width": 8}).space.size() == 4**8 * math.factorial(8)


def test_the_networks_of_nasbench_graph_are_26206():
    """The paper's count of different networks among 9 ways to link 4 nodes and 9 operations per node."""
    assert make_space("nasbench-graph", (6,), 3, {"width": 8}).space.size() == 9 * (9**4 - 1)
    forms = set()
    for links in LINKS:
        for operations in itertools.product(OPERATIONS, repeat=NODES):
            steps = plan([int(link) for link in links], operations).steps
            forms.add(_form(0, steps, operations))
    assert len(LINKS) * len(OPERATIONS) ** NODES == 59_049
    assert len(forms - {()}) == 26_206


def _form(source: int, steps, operations) -> tuple:
    """What hangs on a state, in no order: the same for networks that compute the same."""
    return tuple(sorted((operations[i - 1], _form(i, steps, operations)) for i, j in steps if j == source))
