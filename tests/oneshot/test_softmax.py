import torch

from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.space.decision import Decision

OP = Decision("op", ("a", "b", "c"))


def test_gates_run_every_option_with_its_probability():
    alpha = torch.tensor([0.0, 1.0, -1.0])
    gate = Softmax().gate(OP, alpha)
    assert gate.index == (0, 1, 2)
    expected = alpha.exp() / alpha.exp().sum()
    assert torch.allclose(gate.weight, expected)
    assert torch.allclose(Softmax().probabilities(OP, alpha), expected)


def test_the_zero_candidate_is_last_and_not_run():
    alpha = torch.tensor([0.0, 1.0, -1.0, 2.0])
    gate = Softmax().gate(OP, alpha)
    assert gate.index == (0, 1, 2)
    assert torch.allclose(gate.weight, (alpha.exp() / alpha.exp().sum())[:3])


def test_inputs_have_no_parameters_and_all_run():
    pair = Decision("in", (0, 1, 2), k=2)
    assert Softmax().alpha(pair, 3, torch.Generator()) is None
    gate = Softmax().gate(pair, None)
    assert gate.index == (0, 1, 2)
    assert gate.weight is None


def test_parameters_start_small_and_come_from_the_generator():
    rows = [Softmax().alpha(OP, 1000, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])
    assert 0.9e-3 < rows[0].std() < 1.1e-3
