import copy

import pytest
import torch
from smooth_net import batches, supernet, warmed_up
from torch import Tensor, nn

from nasturtium.oneshot.arch_step import Batch, FirstOrder, SecondOrder
from nasturtium.oneshot.supernet import Supernet

LOSS = nn.functional.mse_loss
TRAIN, VALID = batches(2, seed=7)


def after_a_step(net: Supernet, optimizer: torch.optim.SGD, train: Batch, valid: Batch) -> float:
    """L_valid after the weights' own optimiser really took a step on the training batch, on copies."""
    net, optimizer = copy.deepcopy((net, optimizer))
    optimizer.zero_grad()
    LOSS(net(train[0]), train[1]).backward(inputs=net.weights())
    optimizer.step()
    return LOSS(net(valid[0]), valid[1]).item()


def numerical(net: Supernet, value, h: float = 1e-5) -> dict[str, Tensor]:
    """Central differences of `value(net)` with respect to every architecture parameter."""
    found = {}
    for name, alpha in net.alphas.items():
        found[name] = torch.zeros_like(alpha)
        for i in range(len(alpha)):
            at = []
            for sign in (1, -1):
                shifted = copy.deepcopy(net)
                with torch.no_grad():
                    shifted.alphas[name][i] += sign * h
                at.append(value(shifted))
            found[name][i] = (at[0] - at[1]) / (2 * h)
    return found


def numerical_after_a_step(net: Supernet, optimizer: torch.optim.SGD) -> dict[str, Tensor]:
    def value(shifted: Supernet) -> float:
        twin = torch.optim.SGD(shifted.weights(), 0.1)
        twin.load_state_dict(optimizer.state_dict())
        return after_a_step(shifted, twin, TRAIN, VALID)

    return numerical(net, value)


def close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> bool:
    scale = max(row.abs().max() for row in expected.values())
    return found.keys() == expected.keys() and all(
        (found[name] - expected[name]).abs().max() < tolerance * scale for name in expected
    )


CASES = [(0.0, 0.0, False), (0.9, 0.0, False), (0.0, 0.1, False), (0.9, 0.1, False), (0.9, 0.1, True)]


@pytest.mark.parametrize(("momentum", "decay", "norm"), CASES)
def test_first_order_is_the_gradient_at_todays_weights(momentum, decay, norm):
    net = supernet(norm=norm)
    optimizer = warmed_up(net, momentum=momentum, weight_decay=decay)
    found = FirstOrder().gradient(net, TRAIN, VALID, LOSS, optimizer)
    assert close(found, numerical(net, lambda n: LOSS(n(VALID[0]), VALID[1]).item()), 1e-7)


@pytest.mark.parametrize(("momentum", "decay", "norm"), CASES)
def test_second_order_is_the_gradient_through_a_real_step_of_the_optimizer(momentum, decay, norm):
    net = supernet(norm=norm)
    optimizer = warmed_up(net, momentum=momentum, weight_decay=decay)
    expected = numerical_after_a_step(net, optimizer)
    first = FirstOrder().gradient(net, TRAIN, VALID, LOSS, optimizer)
    assert not close(first, expected, 1e-2)  # the second order matters here
    assert close(SecondOrder(exact=True).gradient(net, TRAIN, VALID, LOSS, optimizer), expected, 1e-6)
    assert close(SecondOrder().gradient(net, TRAIN, VALID, LOSS, optimizer), expected, 5e-3 if norm else 1e-5)


def test_second_order_before_the_first_step_has_no_momentum():
    net = supernet()
    optimizer = warmed_up(net, momentum=0.9, weight_decay=0.1, steps=0)
    found = SecondOrder(exact=True).gradient(net, TRAIN, VALID, LOSS, optimizer)
    assert close(found, numerical_after_a_step(net, optimizer), 1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_second_order_leaves_everything_as_it_was(exact):
    net = supernet(norm=True)
    optimizer = warmed_up(net, momentum=0.9, weight_decay=0.1)
    before, momentum = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
    SecondOrder(exact=exact).gradient(net, TRAIN, VALID, LOSS, optimizer)
    after = net.state_dict()
    assert any("running_mean" in name for name in before)
    assert all(torch.equal(before[name], after[name]) for name in before)
    for index, state in optimizer.state_dict()["state"].items():
        assert torch.equal(state["momentum_buffer"], momentum["state"][index]["momentum_buffer"])
    assert all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("step", [FirstOrder(), SecondOrder(), SecondOrder(exact=True)])
def test_passes_are_counted(step):
    net = supernet()
    optimizer = warmed_up(net, momentum=0.9, weight_decay=0.0)
    calls = []
    net.net.register_forward_hook(lambda *_: calls.append(1))
    step.gradient(net, TRAIN, VALID, LOSS, optimizer)
    assert len(calls) == step.passes


def test_first_order_computes_no_gradient_of_weights():
    net = supernet()
    FirstOrder().gradient(net, TRAIN, VALID, LOSS, warmed_up(net, momentum=0.0, weight_decay=0.0))
    assert all(p.grad is None for p in net.parameters())
