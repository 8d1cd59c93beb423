"""Published figures of spaces of cells, and our own where only rounded ones are published."""

import pytest
import torch

from nasturtium.hardware.meters import count_parameters
from nasturtium.spaces.darts import from_genotype
from nasturtium.spaces.nasbench301 import PREFIX, from_config, nasbench301, to_config
from nasturtium.spaces.pc_darts import PC_DARTS_CIFAR, PC_DARTS_IMAGENET, pc_darts


def parameters(blueprint, arch) -> int:
    with torch.device("meta"):
        return count_parameters(blueprint.build(arch, seed=0))


def test_pc_darts_rounds_to_its_published_parameters():
    """The paper says 3.6 and 5.3 million; both without the second classifier."""
    cifar = pc_darts((3, 32, 32), 10, channels=36, cells=20)
    imagenet = pc_darts((3, 224, 224), 1000, channels=48, cells=14, imagenet=1)
    assert parameters(cifar, from_genotype(PC_DARTS_CIFAR)) == 3_634_678
    assert parameters(imagenet, from_genotype(PC_DARTS_IMAGENET)) == 5_342_464


NORMAL = {
    "edge_normal_0": "skip_connect",
    "edge_normal_1": "sep_conv_3x3",
    "inputs_node_normal_3": "0_1",
    "edge_normal_2": "sep_conv_3x3",
    "edge_normal_3": "skip_connect",
    "inputs_node_normal_4": "0_2",
    "edge_normal_5": "dil_conv_3x3",
    "edge_normal_7": "dil_conv_5x5",
    "inputs_node_normal_5": "1_2",
    "edge_normal_10": "sep_conv_3x3",
    "edge_normal_11": "skip_connect",
}
REDUCE = {
    "edge_reduce_0": "max_pool_3x3",
    "edge_reduce_1": "avg_pool_3x3",
    "inputs_node_reduce_3": "0_1",
    "edge_reduce_2": "skip_connect",
    "edge_reduce_3": "dil_conv_5x5",
    "inputs_node_reduce_4": "1_2",
    "edge_reduce_6": "sep_conv_3x3",
    "edge_reduce_7": "sep_conv_5x5",
    "inputs_node_reduce_5": "2_3",
    "edge_reduce_11": "sep_conv_3x3",
    "edge_reduce_12": "dil_conv_3x3",
}


def test_a_trained_network_of_nasbench301_has_its_published_parameters():
    """The cells, sizes and `model_parameters` of the benchmark's results_0.json (50 channels, 20 cells)."""
    config = {PREFIX + name: value for name, value in (NORMAL | REDUCE).items()}
    arch = from_config(config)
    assert to_config(arch) == config
    assert parameters(nasbench301((3, 32, 32), 10, channels=50, cells=20, auxiliary=1), arch) == 6_369_358


@pytest.mark.parametrize("make", [nasbench301, pc_darts])
def test_spaces_of_darts_cells_have_its_size(make):
    assert make((3, 32, 32), 10).space.size() == 1_037_664_180**2
