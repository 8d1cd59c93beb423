import pytest
import torch
from torch import nn

from nasturtium.modules.derive import derive
from nasturtium.oneshot.calibrate import CALIBRATION_IMAGES, batch_statistics, calibrate, calibration_images
from nasturtium.oneshot.supernet import Supernet
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.normalise import Normalise
from path_search_parts import BLUEPRINTS


def batches(*sizes: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [3 + 2 * torch.randn(size, 1, 8, 8, generator=generator) for size in sizes]


def test_statistics_are_the_mean_over_the_batches_of_their_means_and_unbiased_variances():
    norm = nn.BatchNorm2d(1)
    norm.running_mean.fill_(9.0)
    found = batches(4, 6, 5)
    calibrate(norm, found)
    assert norm.running_mean.item() == pytest.approx(sum(b.mean().item() for b in found) / 3, rel=1e-5)
    assert norm.running_var.item() == pytest.approx(sum(b.var().item() for b in found) / 3, rel=1e-5)
    assert norm.momentum == 0.1


def test_nothing_random_happens_and_modes_are_kept():
    net = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm2d(1), nn.Sequential(nn.Dropout(0.9)))
    net[2].eval()
    before = torch.get_rng_state()
    calibrate(net, batches(4))
    assert torch.equal(torch.get_rng_state(), before)
    assert net[1].running_mean.item() == pytest.approx(batches(4)[0].mean().item(), rel=1e-5)  # no dropout
    assert [module.training for module in net.modules()] == [True, True, True, False, False]
    with pytest.raises(RuntimeError):
        calibrate(net, [torch.ones(2, 3, 4, 4)])
    assert net[1].momentum == 0.1
    assert net.training


def test_inside_norms_use_the_batch_and_all_else_is_as_in_evaluation():
    net = nn.Sequential(nn.Dropout(0.9), nn.BatchNorm2d(1)).eval()
    (x,) = batches(6)
    with batch_statistics(net), torch.no_grad():
        y = net(x)
    assert y.mean().item() == pytest.approx(0, abs=1e-5)
    assert y.std(unbiased=False).item() == pytest.approx(1, abs=1e-3)
    assert not net[1].training


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_path_calibrated_in_the_supernet_is_the_derived_network_calibrated(name):
    supernet = Supernet(BLUEPRINTS[name], seed=1)
    path = next(iter(supernet.space.enumerate()))
    found, (x,) = batches(8, 8, seed=2), batches(5, seed=3)
    supernet.activate(path)
    plain = derive(supernet.net, path)
    for net in (supernet, plain):
        calibrate(net, found)
    with torch.no_grad():
        torch.testing.assert_close(supernet.eval()(x), plain.eval()(x), atol=1e-5, rtol=0)


def test_every_batch_has_images_of_every_class_also_where_they_are_sorted_by_class():
    """Folders of images are; statistics of one class would be nobody's."""
    labels = torch.arange(4).repeat_interleave(500)
    images = ImageSet(
        (60 * labels).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8), labels, ("a", "b", "c", "d")
    )
    plain = Normalise((0.0,), (1 / 255,))
    found = calibration_images(images, plain, torch.device("cpu"))
    assert sum(map(len, found)) == CALIBRATION_IMAGES
    assert all({0, 60, 120, 180} == set(batch.round().flatten().tolist()) for batch in found)
    again = calibration_images(images, plain, torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))
