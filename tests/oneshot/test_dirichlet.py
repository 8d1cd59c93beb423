import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nasturtium.oneshot.relaxations.dirichlet import Dirichlet, concentration
from nasturtium.space.decision import Decision

OP = Decision("op", ("a", "b", "c"))
ALPHA = torch.tensor([0.5, -0.7, 1.5], dtype=torch.float64)
DRAWS = 6000


def relaxation(seed: int = 0) -> Dirichlet:
    made = Dirichlet()
    made.generator.manual_seed(seed)
    return made


def test_the_concentration_is_elu_plus_one():
    alpha = torch.linspace(-5, 5, 101, dtype=torch.float64)
    assert torch.allclose(concentration(alpha), F.elu(alpha) + 1)
    far = torch.tensor([-40.0], requires_grad=True)
    concentration(far).backward()
    assert concentration(far).item() == far.grad.item() == pytest.approx(4.2e-18, rel=0.02)


def draws(alpha: Tensor, f) -> tuple[Tensor, Tensor, Tensor]:
    """Mean of f(weights) and of its gradient by α over many draws, and the standard errors of the latter."""
    made = relaxation()
    values, gradients = [], []
    for _ in range(DRAWS):
        row = alpha.clone().requires_grad_()
        value = f(made.gate(OP, row).weight)
        gradients.append(torch.autograd.grad(value, row)[0])
        values.append(value.detach())
    each = torch.stack(gradients)
    return torch.stack(values).mean(), each.mean(dim=0), each.std(dim=0) / DRAWS**0.5


@pytest.mark.parametrize("power", [1, 2])
def test_the_gradient_of_an_expectation_is_that_of_its_closed_form(power):
    cost = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    row = ALPHA.clone().requires_grad_()
    beta = F.elu(row) + 1
    total = beta.sum()
    # E[w] = β/Σβ and E[w²] = β(β + 1) / (Σβ(Σβ + 1))
    moment = beta / total if power == 1 else beta * (beta + 1) / (total * (total + 1))
    exact = (cost * moment).sum()
    (expected,) = torch.autograd.grad(exact, row)
    mean, gradient, error = draws(ALPHA, lambda w: (cost * w**power).sum())
    assert mean.item() == pytest.approx(exact.item(), abs=0.1)
    assert (error < 0.1 * expected.abs().max()).all()
    assert ((gradient - expected).abs() < 4 * error).all()


def test_the_zero_candidate_is_last_and_takes_its_share():
    alpha = torch.tensor([0.0, 1.0, 0.0, 2.0])
    weights = torch.stack([made.gate(OP, alpha).weight for made in [relaxation()] for _ in range(2000)])
    assert weights.shape[1] == 3
    assert (weights > 0).all()
    assert (weights.sum(dim=1) < 1).all()
    expected = torch.tensor([1.0, 2.0, 1.0]) / 7
    assert torch.allclose(weights.mean(dim=0), expected, atol=0.03)
    assert torch.allclose(Dirichlet().probabilities(OP, alpha), expected)


def test_draws_come_from_its_own_generator_and_go_on_where_it_stood():
    made, other = relaxation(), relaxation()
    before = torch.get_rng_state()
    first = made.gate(OP, ALPHA).weight
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, other.gate(OP, ALPHA).weight)
    state = made.get_extra_state()
    second = made.gate(OP, ALPHA).weight
    assert not torch.equal(first, second)
    other.set_extra_state(state)
    assert torch.equal(other.gate(OP, ALPHA).weight, second)


def test_tiny_concentrations_give_finite_weights_and_gradients():
    made = relaxation()
    for low in (-5.0, -20.0):
        row = torch.tensor([low, low, 0.5], requires_grad=True)
        for _ in range(200):
            weight = made.gate(OP, row).weight
            (gradient,) = torch.autograd.grad(weight[0] - weight[2], row)
            assert weight.sum().item() == pytest.approx(1)
            assert torch.isfinite(gradient).all()


def test_inputs_have_no_parameters_and_all_run():
    pair = Decision("in", (0, 1, 2), k=2)
    assert Dirichlet().alpha(pair, 3, torch.Generator()) is None
    gate = Dirichlet().gate(pair, None)
    assert gate.index == (0, 1, 2)
    assert gate.weight is None
