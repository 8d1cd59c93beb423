import math

import pytest
import torch
from choices import within

from nasturtium.methods.snas import TEMPERATURE as SNAS
from nasturtium.oneshot.relaxations.gumbel import FBNET, Gumbel, gumbel_noise
from nasturtium.oneshot.relaxations.hard_gumbel import GDAS
from nasturtium.oneshot.relaxations.temperature import exponential, linear
from nasturtium.space.decision import Decision

OP = Decision("op", ("a", "b", "c"))
ALPHA = torch.tensor([0.4, -0.7, 1.1])


def noise_of(seed: int, like: torch.Tensor) -> torch.Tensor:
    return gumbel_noise(like, torch.Generator().manual_seed(seed))


def test_noise_has_the_mean_and_variance_of_the_standard_gumbel_distribution():
    noise = noise_of(0, torch.empty(100_000, dtype=torch.float64))
    assert noise.dtype == torch.float64
    assert noise.mean().item() == pytest.approx(0.57722, abs=5 * math.pi / math.sqrt(6 * 100_000))
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, rel=0.03)
    assert noise.isfinite().all()


def test_weights_are_the_softmax_of_noisy_log_probabilities():
    relaxation = Gumbel(linear(2.0, 0.5))
    relaxation.begin(3)
    gate = relaxation.gate(OP, ALPHA)
    assert gate.index == (0, 1, 2)
    expected = ((ALPHA.softmax(0).log() + noise_of(3, ALPHA)) / 2.0).softmax(0)
    assert torch.allclose(gate.weight, expected)
    assert not torch.allclose(relaxation.gate(OP, ALPHA).weight, expected)  # drawn anew
    assert torch.allclose(relaxation.probabilities(OP, ALPHA), ALPHA.softmax(0))


def test_the_gradient_is_that_of_the_sample_at_fixed_noise():
    relaxation = Gumbel(linear(0.7, 0.7))
    alpha = ALPHA.double().requires_grad_()

    def weights(alpha):
        relaxation.begin(1)
        return relaxation.gate(OP, alpha).weight

    assert torch.autograd.gradcheck(weights, (alpha,))
    assert torch.autograd.grad(weights(alpha)[0], alpha)[0].abs().min() > 0


def test_the_largest_weight_is_drawn_from_the_probabilities_at_any_temperature():
    relaxation, draws = Gumbel(linear(1.0, 1.0)), 4000
    largest = torch.stack([relaxation.gate(OP, ALPHA).weight.argmax() for _ in range(draws)])
    for i, p in enumerate(ALPHA.softmax(0).tolist()):
        assert within((largest == i).sum().item(), draws, p)


def test_the_zero_candidate_takes_weight_but_does_not_run():
    relaxation = Gumbel()
    assert relaxation.null
    gate = relaxation.gate(OP, torch.tensor([0.4, -0.7, 1.1, 5.0]))
    assert gate.index == (0, 1, 2)
    assert 0 < gate.weight.sum() < 1


def test_inputs_have_no_parameters_and_all_run():
    pair = Decision("in", (0, 1, 2), k=2)
    assert Gumbel().alpha(pair, 3, torch.Generator()) is None
    gate = Gumbel().gate(pair, None)
    assert gate.index == (0, 1, 2)
    assert gate.weight is None


def test_published_temperatures():
    assert FBNET(0) == 5.0
    assert FBNET(1 / 89) == pytest.approx(5.0 * 0.956)
    assert FBNET(1) == pytest.approx(5.0 * 0.956**89)
    assert [SNAS(at) for at in (0, 0.5, 1)] == pytest.approx([1.0, 0.515, 0.03])
    assert [GDAS(at) for at in (0, 0.5, 1)] == pytest.approx([10.0, 5.05, 0.1])
    assert exponential(4.0, 1.0)(0.5) == pytest.approx(2.0)


def test_annealing_sharpens_the_sample():
    relaxation, largest = Gumbel(), []
    for progress in (0.0, 0.5, 1.0):
        relaxation.anneal(progress)
        assert relaxation.temperature == FBNET(progress)
        relaxation.begin(0)
        largest.append(relaxation.gate(OP, ALPHA).weight.max().item())
    assert largest == sorted(largest)
    assert largest[-1] > 0.99
