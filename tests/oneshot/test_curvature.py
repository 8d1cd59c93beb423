import copy

import numpy as np
import pytest
import torch
from smooth_net import batches, supernet
from torch import nn
from torch.func import functional_call

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.curvature import CurvatureStop, dominant_eigenvalue, largest_eigenvalue
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch

LOSS = nn.functional.mse_loss
(BATCH,) = batches(1, seed=7)


def dense(net: Supernet) -> torch.Tensor:
    """The whole Hessian, by autograd."""
    alphas = dict(net.alphas.named_parameters("alphas"))
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}

    def loss(vector):
        parts = vector.split([alpha.numel() for alpha in alphas.values()])
        values = dict(zip(alphas, parts, strict=True))
        return LOSS(functional_call(net, {**values, **buffers}, (BATCH[0],)), BATCH[1])

    return torch.autograd.functional.hessian(loss, torch.cat([a.detach() for a in alphas.values()]))


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_the_largest_eigenvalue_of_the_dense_hessian(norm, seed):
    net = supernet(norm=norm, seed=seed)
    spectrum = torch.linalg.eigvalsh(dense(net))
    value, cost = dominant_eigenvalue(net, BATCH, LOSS)
    assert value == pytest.approx(spectrum[-1].item(), rel=1e-3)
    assert spectrum[-1] > 10 * spectrum.abs().median()  # not any other one
    assert 3 <= cost.forward == cost.backward <= 20


@pytest.mark.parametrize("size", [1, 2, 3, 60])
def test_it_is_the_largest_not_the_one_of_largest_magnitude(size):
    rng = np.random.default_rng(size)
    matrix = rng.standard_normal((size, size))
    matrix = matrix + matrix.T - 3 * np.sqrt(size) * np.eye(size)
    spectrum = np.linalg.eigvalsh(matrix)
    assert abs(spectrum[0]) >= abs(spectrum[-1])
    found = largest_eigenvalue(lambda v: matrix @ v, size)
    assert found == pytest.approx(spectrum[-1], abs=2e-3 * abs(spectrum[0]))
    assert found == largest_eigenvalue(lambda v: matrix @ v, size)


class Noisy(Softmax):
    """A softmax of parameters with noise."""

    def probabilities(self, decision, alpha):
        return super().probabilities(decision, alpha + torch.randn(len(alpha), generator=self.generator))


def test_measuring_leaves_everything_as_it_was():
    net = supernet(norm=True)
    net.relaxation = Noisy()
    before, numbers = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    dominant_eigenvalue(net, BATCH, LOSS)
    after = net.state_dict()
    assert all(torch.equal(before[n], after[n]) for n in before)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert all(p.grad is None for p in net.parameters())


def test_without_a_real_choice_there_is_no_curvature():
    net = Supernet(Blueprint(lambda: OneOf("only", {"it": lambda: nn.Linear(4, 3)})), Softmax()).double()
    assert dominant_eigenvalue(net, BATCH, LOSS)[0] == 0


def curve(*eigenvalues: float | None) -> list[SearchEpoch]:
    return [SearchEpoch(i, 1, 0, 1, 0, {}, eigenvalue=v) for i, v in enumerate(eigenvalues, start=1)]


FLAT = [1.0] * 10


def test_it_stops_when_the_smoothed_eigenvalue_has_grown_by_a_third():
    stop = CurvatureStop()
    # the last five are centred at epoch 13, those around epoch 8 before: their mean is 1
    grown = curve(*FLAT, *[1.34] * 5)
    assert stop.kept(grown, 40) == 8
    assert "stopped after epoch 15 of 40" in stop.remark(grown, 40)
    assert "that of epoch 8" in stop.remark(grown, 40)
    assert stop.kept(curve(*FLAT, *[1.33] * 5), 40) is None
    assert stop.kept(curve(*FLAT, *[1.34] * 4), 40) is None
    assert stop.kept(curve(*FLAT, *[0.1] * 5), 40) is None


def test_a_single_high_epoch_is_smoothed_away():
    assert CurvatureStop().kept(curve(*FLAT, 1, 1, 2.6, 1, 1), 20) is None


def test_it_never_goes_back_to_the_first_fifth_of_the_search():
    grown = curve(*FLAT, *[2.0] * 5)
    assert CurvatureStop().kept(grown, 41) is None
    assert CurvatureStop().kept(grown, 40) == 8


def test_epochs_without_a_measurement_are_passed_over():
    values = [v for e in [*FLAT, *[1.34] * 5] for v in (None, e)]
    assert CurvatureStop().kept(curve(*values), 40) == 16


@pytest.mark.parametrize("values", [[0.0] * 20, [-1.0] * 20, [-2.0] * 10 + [-1.0] * 10])
def test_a_loss_that_does_not_bend_upwards_is_no_reason(values):
    stop = CurvatureStop()
    assert stop.kept(curve(*values), 20) is None
    assert "no reason" in stop.remark(curve(*values), 20)


def test_a_short_search_says_that_it_could_not_be_stopped():
    assert "too short" in CurvatureStop().remark(curve(*[1.0] * 9), 9)
