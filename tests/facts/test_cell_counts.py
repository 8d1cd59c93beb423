"""Published figures of spaces of cells, and our own where only rounded ones are published."""

import pytest
import torch
from torch import nn

from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.ops import FactorizedReduce
from nasturtium.spaces import amoebanet, nasnet
from nasturtium.spaces.darts import from_genotype
from nasturtium.spaces.enas_macro import enas_macro
from nasturtium.spaces.enas_micro import enas_micro
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


@pytest.mark.parametrize(
    ("size", "sizes", "count"),
    [
        (224, {"channels": 44, "repeats": 4, "imagenet_stem": 32}, 5_289_978),
        (331, {"channels": 168, "repeats": 6, "imagenet_stem": 96}, 88_753_150),
    ],
)
def test_nasnet_a_has_its_published_parameters(size, sizes, count):
    """NASNet-A 4 @ 1056 and 6 @ 4032 as released: the trainable parameters of Keras' NASNetMobile and
    NASNetLarge; timm's nasnetalarge has the latter.
    """
    blueprint = nasnet.nasnet((3, size, size), 1000, **sizes, as_released=1)
    assert parameters(blueprint, nasnet.from_genotype(nasnet.NASNET_A)) == count


def test_cells_for_cifar_round_to_their_published_parameters():
    """3.3 million for NASNet-A 6 @ 768, 3.2 for AmoebaNet-A with 6 cells a stage and 36 channels."""
    arch = nasnet.from_genotype(nasnet.NASNET_A)
    assert parameters(nasnet.nasnet((3, 32, 32), 10, as_released=1), arch) == 3_346_538
    arch = amoebanet.from_genotype(amoebanet.AMOEBANET_A)
    assert parameters(amoebanet.amoebanet((3, 32, 32), 10), arch) == 3_152_710


def copy_cell(theirs: nn.Module, ours: nn.Module) -> None:
    """The weights of a cell of timm's NASNet-A into one of ours."""
    first, pairs = ours.preprocess0, [(theirs.conv_1x1, ours.preprocess1)]
    if isinstance(first, FactorizedReduce):
        pairs += [
            (theirs.path_1, first.conv_1),
            (theirs.path_2, first.conv_2),
            (theirs.final_path_bn, first.bn),
        ]
    elif not isinstance(first, nn.Identity):
        pairs.append((theirs.conv_prev_1x1, first))
    for i, block in enumerate(ours.cell.blocks):
        for side in ("left", "right"):
            if hasattr(theirs, f"comb_iter_{i}_{side}"):
                pairs.append((getattr(theirs, f"comb_iter_{i}_{side}"), getattr(block, side).op))
    for a, b in pairs:
        for value, target in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
            target.copy_(value)


def test_nasnet_a_computes_what_timm_computes():
    """But for the cell after a reduction, which in the large network takes the output before last as the
    previous one; ours takes the last, as the small network does.
    """
    try:
        from timm.models import nasnet as timm
    except (ImportError, RuntimeError):  # it is not needed otherwise, and fails with another's torchvision
        pytest.skip("timm can't be imported here")
    torch.manual_seed(0)
    theirs = timm.NASNetALarge(num_classes=7, stem_size=6, num_features=24 * 8, pad_type="").eval()
    blueprint = nasnet.nasnet((3, 67, 67), 7, channels=8, repeats=6, imagenet_stem=6, as_released=1)
    ours = blueprint.build(nasnet.from_genotype(nasnet.NASNET_A), seed=0).eval()
    x = torch.rand(2, 3, 67, 67)
    with torch.no_grad():
        for target, value in zip(
            ours.stem.state_dict().values(), theirs.conv0.state_dict().values(), strict=True
        ):
            target.copy_(value)
        before, last = None, theirs.conv0(x)
        for name, cell in zip(theirs.layer_names[1:], ours.cells, strict=True):
            layer = getattr(theirs, name)
            copy_cell(layer, cell)
            if before is None:
                before, last = last, layer(last)
            elif name == "cell_stem_1":
                before, last = last, layer(before, last)
            else:
                before, last = last, layer(last, before)
        ours.classifier.load_state_dict(theirs.last_linear.state_dict())
        for norm in (m for m in ours.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.eps = 1e-3
        expected = theirs.last_linear(theirs.global_pool(theirs.act(last)))
        torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-5)
        assert expected.std() > 0.01


def test_sizes_of_spaces_of_blocks():
    """Of each block two states before it and two operations, in a normal and a reduction cell of 5."""
    states = (2 * 3 * 4 * 5 * 6) ** 2
    assert nasnet.nasnet((3, 32, 32), 10).space.size() == (13**10 * states) ** 2
    assert amoebanet.amoebanet((3, 32, 32), 10).space.size() == (8**10 * states) ** 2
    assert enas_micro((3, 32, 32), 10).space.size() == (5**10 * states) ** 2


def test_enas_macro_has_its_published_size():
    """The paper: 6^12 · 2^66, about 1.6·10^29."""
    size = enas_macro((3, 32, 32), 10).space.size()
    assert size == 6**12 * 2**66
    assert f"{size:.1e}" == "1.6e+29"
