import pytest
import torch
from torch import nn

from nasturtium.modules.growth import morphism
from nasturtium.modules.growth.morphism import Replication, rectified


@pytest.mark.parametrize(("old", "new"), [(1, 6), (3, 4), (4, 19)])
def test_shares_of_the_copies_of_a_unit_add_up_to_one(old, new):
    found = Replication.draw(old, new, torch.Generator().manual_seed(0))
    assert found.source[:old].tolist() == list(range(old))
    for unit in range(old):
        shares = found.shares[found.source == unit]
        assert shares.sum().item() == pytest.approx(1, abs=1e-15)
        assert len(set(shares.tolist())) == len(shares)  # equal copies would learn the same for ever
        assert all(1 / 3 <= s * len(shares) <= 3 for s in shares.tolist())


def test_what_reads_copies_adds_up_to_what_read_the_unit():
    conv, linear = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(3, 5)
    found = Replication.draw(3, 8, torch.Generator().manual_seed(1))
    for old, new in (
        (conv, morphism.with_more_inputs(conv, found)),
        (linear, morphism.with_more_features(linear, found)),
    ):
        for unit in range(3):
            copies = new.weight[:, found.source == unit].sum(1)
            torch.testing.assert_close(copies, old.weight[:, unit], rtol=1e-6, atol=1e-7)


def test_copies_are_exact_and_keep_type_mode_and_freezing():
    found = Replication.draw(3, 5, torch.Generator().manual_seed(2))
    conv = nn.Conv2d(2, 3, 5, padding=2, bias=False).double().requires_grad_(False)
    norm = nn.BatchNorm2d(3, eps=1e-3, momentum=0.3).double().eval()
    norm.running_mean.normal_()
    wide, wide_norm = morphism.with_more_outputs(conv, found), morphism.with_more_channels(norm, found)
    assert torch.equal(wide.weight, conv.weight[found.source])
    assert torch.equal(wide_norm.running_mean, norm.running_mean[found.source])
    assert (wide.weight.requires_grad, wide.weight.dtype) == (False, torch.float64)
    assert (wide_norm.training, wide_norm.eps, wide_norm.momentum) == (False, 1e-3, 0.3)


def test_a_larger_kernel_is_zero_around_the_old_one():
    conv = nn.Conv2d(2, 3, 3, padding=1, bias=False)
    wide, x = morphism.with_kernel(conv, 7), torch.randn(2, 2, 5, 6)
    assert wide.weight.count_nonzero() == conv.weight.count_nonzero()
    torch.testing.assert_close(wide(x), conv(x))


def test_a_new_layer_passes_on_its_input_and_expects_its_statistics():
    conv, norm = nn.Conv2d(3, 3, 5, padding=2, bias=False), nn.BatchNorm2d(3)
    x = torch.randn(500, 3, 4, 4) * 2 + 1
    morphism.make_identity(conv, norm, torch.ones(3), torch.full((3,), 4.0))
    torch.testing.assert_close(norm.eval()(conv(x)), x, rtol=0, atol=2e-6)
    assert (norm.train()(conv(x)) - x).abs().max() < 0.2  # those of the batch differ a little


def test_a_rectified_normal_has_its_mean_and_variance():
    mean, variance = torch.tensor([0.0, 1.5, -1.0, 2.0]), torch.tensor([1.0, 0.5, 4.0, 0.0])
    x = torch.randn(400_000, 4, generator=torch.Generator().manual_seed(0)) * variance.sqrt() + mean
    first, second = rectified(mean, variance)
    torch.testing.assert_close(first, x.relu().mean(0), rtol=0, atol=0.01)
    torch.testing.assert_close(second, x.relu().var(0), rtol=0, atol=0.02)
