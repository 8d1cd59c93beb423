import numpy as np
import torch
from torch import nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.small_cell import SmallCellNetwork

BLUEPRINT = Blueprint(lambda: SmallCellNetwork((1, 8, 8), 10))
IMAGES = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_depth_switches_reductions_on():
    """27 cells at 3 widths, with 1, 2 or 4 choices of reductions."""
    space = BLUEPRINT.space
    assert space.size() == 27 * 3 * (1 + 2 + 4)
    reductions = {
        arch["depth"]: sorted(arch.keys() & {"reduction/1", "reduction/2"}) for arch in space.enumerate()
    }
    assert reductions == {1: [], 2: ["reduction/1"], 3: ["reduction/1", "reduction/2"]}


def test_a_network_has_the_parameters_counted_by_hand():
    conv = {"cell/1<-0": "nor_conv_3x3", "cell/2<-0": "skip_connect", "cell/2<-1": "avg_pool_3x3"}
    arch = {"width": 8, "depth": 3, **conv, "reduction/1": "nor_conv_3x3", "reduction/2": "avg_pool_3x3"}
    net = BLUEPRINT.build(BLUEPRINT.space.validate(arch), seed=0)
    convolution = 9 * 8 * 8 + 2 * 8  # with its BatchNorm
    expected = (9 * 8 + 2 * 8) + 3 * convolution + convolution + 2 * 8 + (8 * 10 + 10)
    assert sum(p.numel() for p in net.parameters()) == expected
    sizes = []
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, __, y: sizes.append(y.shape[-1]))
    assert net.eval()(IMAGES).shape == (2, 10)
    assert sizes == [8, 8, 4, 4, 2, 2]


def test_a_path_of_its_supernet_is_the_derived_network():
    supernet = Supernet(BLUEPRINT, seed=2).eval()
    rng = np.random.default_rng(0)
    for arch in (BLUEPRINT.space.sample(rng) for _ in range(5)):
        supernet.activate(arch)
        net = derive(supernet.net, arch)
        assert not any(isinstance(module, Choice) for module in net.modules())
        with torch.no_grad():
            torch.testing.assert_close(supernet(IMAGES), net(IMAGES), rtol=1e-5, atol=1e-5)
