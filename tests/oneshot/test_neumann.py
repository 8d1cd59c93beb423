"""Linear candidates and a squared loss make the weights' problem quadratic, so that everything is known."""

import copy

import pytest
import torch
from smooth_net import batches, supernet, warmed_up
from torch import Tensor, nn
from torch.func import functional_call

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.neumann import Neumann
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet

LOSS = nn.functional.mse_loss
TRAIN, VALID = batches(2, seed=7)
DECAY = 0.1


class Scaled(nn.Linear):
    """A linear layer that sees its input `factor` times as large."""

    def __init__(self, factor: float) -> None:
        super().__init__(4, 3)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.factor * x)


def convex() -> tuple[Supernet, torch.optim.SGD]:
    candidates = {f"x{i}": lambda i=i: Scaled(0.5 * i) for i in (1, 2, 3)}
    net = Supernet(Blueprint(lambda: OneOf("scale", candidates)), Softmax()).double()
    with torch.no_grad():
        net.alphas["scale"].copy_(torch.tensor([0.4, -0.3, 0.1]))
    return net, torch.optim.SGD(net.weights(), 0.1, weight_decay=DECAY)


def bumpy() -> tuple[Supernet, torch.optim.SGD]:
    net = supernet(norm=True)
    return net, warmed_up(net, momentum=0.9, weight_decay=DECAY)


def losses(net: Supernet):
    """L_train, weight decay included, and L_valid, of all weights and of all α as two vectors."""
    named = dict(net.net.named_parameters("net")), dict(net.alphas.named_parameters("alphas"))
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}

    def at(batch, *vectors):
        values = {}
        for parameters, vector in zip(named, vectors, strict=True):
            parts = vector.split([p.numel() for p in parameters.values()])
            values |= {n: v.view_as(p) for (n, p), v in zip(parameters.items(), parts, strict=True)}
        return LOSS(functional_call(net, {**values, **buffers}, (batch[0],)), batch[1])

    def train(weights, alpha):
        return at(TRAIN, weights, alpha) + DECAY / 2 * weights.square().sum()

    return train, lambda weights, alpha: at(VALID, weights, alpha)


def flat(net: Supernet) -> tuple[Tensor, Tensor]:
    vector = nn.utils.parameters_to_vector
    return vector(net.weights()).detach(), vector(net.alphas.values()).detach()


def derivatives(net: Supernet):
    """∇α and ∇w of L_valid, and the Hessian and the mixed derivative (α × w) of L_train."""
    train, valid = losses(net)
    w, a = flat(net)
    of_w, of_a = torch.autograd.functional.jacobian(valid, (w, a))
    (hessian, _), (mixed, _) = torch.autograd.functional.hessian(train, (w, a))
    return of_a, of_w, hessian, mixed


def found_by(step: Neumann, net: Supernet, optimizer: torch.optim.SGD) -> Tensor:
    return torch.cat(list(step.gradient(net, TRAIN, VALID, LOSS, optimizer).values()))


@pytest.mark.parametrize("problem", [convex, bumpy])
@pytest.mark.parametrize("terms", [1, 2, 5])
def test_it_is_the_formula_with_that_many_terms(problem, terms):
    net, optimizer = problem()
    of_a, of_w, hessian, mixed = derivatives(net)
    shrunk = torch.eye(len(of_w)) - 0.2 * hessian
    inverse = 0.2 * sum(torch.linalg.matrix_power(shrunk, k) for k in range(terms))
    found = found_by(Neumann(terms, 0.2), net, optimizer)
    assert torch.allclose(found, of_a - mixed @ inverse @ of_w, rtol=1e-8)


def test_with_many_terms_it_has_the_exact_inverse():
    net, optimizer = convex()
    of_a, of_w, hessian, mixed = derivatives(net)
    eigenvalues = torch.linalg.eigvalsh(hessian)
    assert eigenvalues[0] > 0.9 * DECAY
    expected = of_a - mixed @ torch.linalg.solve(hessian, of_w)
    found = found_by(Neumann(400, 1 / eigenvalues[-1].item()), net, optimizer)
    assert torch.allclose(found, expected, rtol=1e-5)
    assert not torch.allclose(of_a, expected, rtol=0.1)  # the second part matters here


def test_at_the_best_weights_it_is_how_the_validation_loss_follows_the_architecture():
    net, optimizer = convex()
    train, valid = losses(net)

    def best(alpha: Tensor) -> Tensor:
        start = torch.zeros_like(flat(net)[0])
        slope = torch.autograd.functional.jacobian(lambda w: train(w, alpha), start)
        hessian = torch.autograd.functional.hessian(lambda w: train(w, alpha), start)
        return start - torch.linalg.solve(hessian, slope)

    alpha = flat(net)[1]
    nn.utils.vector_to_parameters(best(alpha), net.weights())
    steps = 1e-5 * torch.eye(3, dtype=torch.float64)
    numerical = torch.stack(
        [(valid(best(alpha + h), alpha + h) - valid(best(alpha - h), alpha - h)) / 2e-5 for h in steps]
    )
    found = found_by(Neumann(400, 0.4), net, optimizer)
    assert torch.allclose(found, numerical.detach(), rtol=1e-5)


def test_everything_is_left_as_it_was():
    net = supernet(norm=True)
    optimizer = warmed_up(net, momentum=0.9, weight_decay=0.1)
    before = copy.deepcopy(net.state_dict())
    Neumann(3, 0.01).gradient(net, TRAIN, VALID, LOSS, optimizer)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in before.items())
    assert all(p.grad is None for p in net.parameters())


def test_products_with_a_second_derivative_are_counted():
    assert Neumann(1, 0.1).passes == 3  # two batches, and the mixed derivative
    assert Neumann(4, 0.1).passes == 6
