"""Taking sub-networks out of a supernet as they are."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.mbconv import inverted, residual
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.repeat import Repeat
from nasturtium.oneshot.calibrate import calibrate, calibration_images
from nasturtium.oneshot.paths import UniformDecisions
from nasturtium.oneshot.settings import PathSettings
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.oneshot.sorting import sort_channels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.training.evaluate import evaluate
from nasturtium.training.normalise import Normalise
from path_search_parts import CLASSES, FABRIC, TRAIN, VALID, Net

NORMALISE = Normalise.measured(TRAIN)


def mobile() -> nn.Module:
    def block(i: int) -> nn.Module:
        middle = derived(lambda n: 4 * n, Dim(f"wide{i}", (1, 2)), hidden=True)
        kernel = Dim(f"kernel{i}", (3, 5))
        return residual(inverted(4, middle, 4, kernel, kernel_transforms=True), 4, 4, 1)

    return Net(Repeat("depth", block, (1, 2)))


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    """Trained, with learned kernels, then sorted."""
    found = Supernet(Blueprint(mobile), seed=1)
    settings = PathSettings(epochs=4, batch_size=8, learning_rate=0.1)
    SinglePath(found, UniformDecisions(found.space, 2), settings, fabric=FABRIC, seed=0).run(TRAIN, VALID)
    sort_channels(found.net, found.space.restrict({"wide0": (2,), "wide1": (2,)}))
    return found


def test_an_extracted_network_is_its_path_with_statistics_of_its_own(supernet):
    images = calibration_images(TRAIN, NORMALISE, FABRIC.device)
    rng = np.random.default_rng(0)
    for arch in UniformDecisions(supernet.space, 5).paths(rng, 0.0):
        before = copy.deepcopy(supernet.state_dict())
        net = supernet.extract(arch, images)
        assert all(torch.equal(before[name], tensor) for name, tensor in supernet.state_dict().items())
        path = copy.deepcopy(supernet).eval()
        path.activate(arch)
        calibrate(path, images)
        torch.testing.assert_close(net(images[0]), path(images[0]), rtol=1e-5, atol=1e-5)
        scores = [evaluate(each, VALID, NORMALISE, fabric=FABRIC) for each in (net, path)]
        assert scores[0]["accuracy"] == scores[1]["accuracy"] > 1 / CLASSES
        assert not any(isinstance(module, Choice) or module.training for module in net.modules())


def test_without_images_it_keeps_the_statistics_of_the_supernet(supernet):
    arch = supernet.space.sample(np.random.default_rng(1))
    net, x = supernet.extract(arch), torch.rand(2, 1, 8, 8)
    path = copy.deepcopy(supernet).eval()
    path.activate(arch)
    torch.testing.assert_close(net(x), path(x), rtol=1e-5, atol=1e-5)


def test_what_is_not_in_the_space_is_refused(supernet):
    with pytest.raises(UsageError, match="'depth' is missing"):
        supernet.extract(Architecture({}))
