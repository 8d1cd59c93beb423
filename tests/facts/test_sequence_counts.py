"""Figures that others published about recurrent, graph and recommendation networks."""

import math

import torch

from nasturtium.hardware.meters import count_parameters
from nasturtium.spaces import darts_rnn
from nasturtium.spaces.base import make_space


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
