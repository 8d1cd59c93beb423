import math

import pytest
import torch
from torch import nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.edge import Edge
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.penalties import AlphaVariance, Anchor, BetaDecay, ZeroOne, chosen
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.relaxations.dirichlet import Dirichlet
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet

ROWS = {"a": [0.0, math.log(2), math.log(3)], "b": [1.0, -1.0]}
LOSS = torch.tensor(5.0)


def supernet(relaxation: Relaxation) -> Supernet:
    def make() -> nn.Module:
        return nn.Sequential(
            *(OneOf(n, dict.fromkeys(map(str, range(len(r))), nn.Identity)) for n, r in ROWS.items())
        )

    net = Supernet(Blueprint(make), relaxation).double()
    for name, row in ROWS.items():
        net.alphas[name].data.copy_(torch.tensor(row))
    return net


def test_beta_decay_grows_from_nothing():
    net, penalty = supernet(Softmax()), BetaDecay(10.0)
    # log(1 + 2 + 3) and log(e + 1/e)
    mean = (math.log(6) + math.log(math.e + 1 / math.e)) / 2
    for progress in (0.0, 0.3, 1.0):
        expected = 5 + 10 * progress * mean
        assert penalty(LOSS, net, progress).item() == pytest.approx(expected, rel=1e-6)


def test_the_gradient_of_beta_decay_is_the_softmax():
    net = supernet(Softmax())
    BetaDecay(1.0)(LOSS, net, 1.0).backward()
    for alpha in net.alphas.values():
        assert torch.allclose(alpha.grad, alpha.detach().softmax(dim=0) / 2)


def test_variance_is_that_of_each_row():
    net = supernet(Softmax())
    a = torch.tensor(ROWS["a"])
    expected = 5 + 3 * (((a - a.mean()) ** 2).mean().item() + 1.0) / 2
    for progress in (0.0, 1.0):
        assert AlphaVariance(3.0)(LOSS, net, progress).item() == pytest.approx(expected, rel=1e-6)


def test_one_option_has_no_variance():
    net = Supernet(Blueprint(lambda: OneOf("a", {"x": nn.Identity})), Softmax())
    assert AlphaVariance(3.0)(LOSS, net, 0.0).item() == 5


def test_zero_one_is_the_mean_over_all_options_of_all_rows():
    net = supernet(Sigmoid())
    every = [1 / (1 + math.exp(-x)) for row in ROWS.values() for x in row]
    expected = 5 - 10 * sum((p - 0.5) ** 2 for p in every) / 5
    assert ZeroOne(10.0)(LOSS, net, 0.5).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("start", "end"), [(0.1, 1.0), (-0.1, 0.0)])
def test_zero_one_drives_weights_to_the_nearer_end(start, end):
    net = supernet(Sigmoid())
    alphas = list(net.alphas.values())
    for alpha in alphas:
        alpha.data.fill_(start)
    optimizer = torch.optim.Adam(alphas, 0.3)
    for _ in range(100):
        optimizer.zero_grad()
        ZeroOne(10.0)(torch.zeros(()), net, 0.0).backward()
        optimizer.step()
    for name, row in net.probabilities().items():
        assert torch.allclose(row, torch.full_like(row, end), atol=0.01), name


def test_zero_one_takes_the_weights_that_a_relaxation_gives():
    ops = {name: lambda channels, stride: nn.Identity() for name in ("a", "b")}
    net = Supernet(Blueprint(lambda: Edge("a", ops, 4, null=True)), Softmax())
    net.alphas["a"].data.zero_()
    # a third each, the zero candidate not counted
    assert ZeroOne(1.0)(LOSS, net, 0.0).item() == pytest.approx(5 - (1 / 3 - 0.5) ** 2)


def test_the_anchor_is_at_equally_likely_mixtures():
    net = supernet(Dirichlet())
    beta = [x + 1 if x > 0 else math.exp(x) for row in ROWS.values() for x in row]
    expected = 5 + 0.1 / 2 * sum((b - 1) ** 2 for b in beta)
    assert Anchor(0.1)(LOSS, net, 0.5).item() == pytest.approx(expected, rel=1e-6)
    for alpha in net.alphas.values():
        alpha.data.zero_()
    assert Anchor(0.1)(LOSS, net, 0.5).item() == 5


def test_the_gradient_of_the_anchor_is_the_decay_of_positive_parameters():
    net = supernet(Dirichlet())
    Anchor(0.1)(LOSS, net, 0.0).backward()
    alpha = net.alphas["a"]
    assert torch.allclose(alpha.grad, 0.1 * alpha.detach())


def test_settings_switch_them_on():
    assert list(chosen(BilevelSettings())) == []
    settings = BilevelSettings(beta_decay=1, alpha_variance=2, zero_one=3)
    assert set(chosen(settings)) == {BetaDecay(1), AlphaVariance(2), ZeroOne(3)}
