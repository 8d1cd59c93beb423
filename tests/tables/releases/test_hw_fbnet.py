import pickle
import re

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.hardware.cost_table import CostTable
from nasturtium.hardware.meters import count_parameters
from nasturtium.spaces.base import make_space
from nasturtium.tables.releases.hw_fbnet import BLOCKS, fbnet_costs

# the stem; layers by pixels, channels in and out, stride, and how many such there are; what follows
IMAGENET = (
    "ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1",
    [
        (112, 16, 16, 1, 1),
        (112, 16, 24, 2, 1),
        (56, 24, 24, 1, 3),
        (56, 24, 32, 2, 1),
        (28, 32, 32, 1, 3),
        (28, 32, 64, 2, 1),
        (14, 64, 64, 1, 3),
        (14, 64, 112, 1, 1),
        (14, 112, 112, 1, 3),
        (14, 112, 184, 2, 1),
        (7, 184, 184, 1, 3),
        (7, 184, 352, 1, 1),
    ],
    [
        "ConvNorm_H7_W7_Cin352_Cout1984_kernel1_stride1_group1",
        "AvgP_H7_W7_Cin1984_Cout1984_kernel7_stride1",
        "FC_Cin1984_Cout1000",
    ],
)
CIFAR = (
    "ConvNorm_H32_W32_Cin3_Cout16_kernel3_stride1_group1",
    [
        (32, 16, 16, 1, 1),
        (32, 16, 24, 1, 1),
        (32, 24, 24, 1, 3),
        (32, 24, 32, 2, 1),
        (16, 32, 32, 1, 3),
        (16, 32, 64, 2, 1),
        (8, 64, 64, 1, 3),
        (8, 64, 112, 1, 1),
        (8, 112, 112, 1, 3),
        (8, 112, 184, 2, 1),
        (4, 184, 184, 1, 3),
        (4, 184, 352, 1, 1),
    ],
    [
        "ConvNorm_H4_W4_Cin352_Cout1504_kernel1_stride1_group1",
        "AvgP_H4_W4_Cin1504_Cout1504_kernel4_stride1",
        "FC_Cin1504_Cout100",
    ],
)


def blocks(stem, layers, last) -> list[str]:
    texts = [stem, *last]
    for side, in_, out, stride, _ in layers:
        place = f"H{side}_W{side}_Cin{in_}_Cout{out}"
        texts.append(f"Skip_{place}_stride{stride}")
        for kernel, expansion, group in BLOCKS.values():
            texts.append(f"ConvBlock_{place}_exp{expansion}_kernel{kernel}_stride{stride}_group{group}")
    return texts


def parameters(block: str) -> int:
    """Of a block as the benchmark's authors build it."""
    found = {name: int(size) for name, size in re.findall(r"([A-Za-z]+)(\d+)", block)}
    in_, out, groups, kernel = found["Cin"], found["Cout"], found.get("group", 1), found.get("kernel")
    if block.startswith("FC"):
        return (in_ + 1) * out
    if block.startswith("AvgP"):
        return 0
    if block.startswith("Skip"):
        return 0 if (in_, found["stride"]) == (out, 1) else (in_ + 2) * out
    if block.startswith("ConvNorm"):
        return in_ * out * kernel**2 + 2 * out
    middle = found["exp"] * in_
    return (in_ * middle + middle * out) // groups + middle * kernel**2 + 4 * middle + 2 * out


@pytest.fixture
def release(tmp_path):
    texts = {*blocks(*IMAGENET), *blocks(*CIFAR)}
    metrics = {
        "edgegpu_latency": {text: np.float64(parameters(text)) for text in texts},
        "fpga_energy": {text: int((re.findall(r"_H(\d+)", text) or [0])[0]) for text in texts},
    }
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps({"fbnet": metrics}))
    return path


@pytest.mark.parametrize(
    ("dataset", "network", "shape", "classes", "sizes"),
    [
        ("ImageNet", IMAGENET, (3, 224, 224), 1000, {}),
        ("cifar100", CIFAR, (3, 32, 32), 100, {"cifar": 1, "features": 1504}),
    ],
)
def test_costs_add_up_to_those_of_our_network(release, dataset, network, shape, classes, sizes):
    """Costs that are the parameters of each block make those of the whole network; others are its pixels."""
    blueprint = make_space("fbnet", shape, classes, sizes)
    count = CostTable("params", blueprint.space, fbnet_costs(release, "edgegpu_latency", dataset))
    pixels = CostTable("latency_ms", blueprint.space, fbnet_costs(release, "fpga_energy", dataset))
    stem, layers, _ = network
    sides = int(re.findall(r"H(\d+)", stem)[0]) + sum(side * n for side, _, _, _, n in layers)
    rng = np.random.default_rng(0)
    for _ in range(3):
        arch = blueprint.space.sample(rng)
        with torch.device("meta"):
            net = blueprint.build(arch, seed=0)
        assert count.total(arch) == count_parameters(net)
        assert pixels.total(arch) == sides + 2 * (shape[1] // (8 if sizes else 32))


def test_what_the_file_has_not_is_refused(release):
    with pytest.raises(UsageError, match="has no 'edgegpu_latncy' of FBNet: did you mean 'edgegpu_latency'"):
        fbnet_costs(release, "edgegpu_latncy", "ImageNet")
    with pytest.raises(UsageError, match="has no 'cifar10' of FBNet: did you mean 'cifar100'"):
        fbnet_costs(release, "fpga_energy", "cifar10")
    release.write_bytes(pickle.dumps({"fbnet": {"fpga_energy": {}}}))
    with pytest.raises(UsageError, match="no cost of ConvNorm_H224_W224_Cin3_Cout16_kernel3_stride2_group1"):
        fbnet_costs(release, "fpga_energy", "ImageNet")
    release.write_bytes(pickle.dumps({"nasbench201": {}}))
    with pytest.raises(UsageError, match="v1_0.pickle: it has no part 'fbnet'"):
        fbnet_costs(release, "fpga_energy", "ImageNet")
