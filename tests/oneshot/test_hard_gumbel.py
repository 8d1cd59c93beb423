import torch
from choices import one_of, within
from torch import nn

from nasturtium.oneshot.relaxations.gumbel import gumbel_noise
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel
from nasturtium.oneshot.relaxations.temperature import linear
from nasturtium.space.decision import Decision

OP = Decision("op", ("a", "b", "c"))
ALPHA = torch.tensor([0.4, -0.7, 1.1])
X = torch.ones(1)


def test_one_option_runs_with_weight_one_and_the_gradient_of_its_soft_weight():
    for seed in range(20):
        relaxation, alpha = HardGumbel(linear(3.0, 3.0)), ALPHA.clone().requires_grad_()
        relaxation.begin(seed)
        gate = relaxation.gate(OP, alpha)
        noise = gumbel_noise(ALPHA, torch.Generator().manual_seed(seed))
        soft = ((alpha.softmax(0).log() + noise) / 3.0).softmax(0)
        assert gate.index == (soft.argmax().item(),)
        assert gate.weight.tolist() == [1.0]  # to the last bit
        found, expected = (torch.autograd.grad(y, alpha)[0] for y in (gate.weight[0], soft[gate.index[0]]))
        assert torch.allclose(found, expected)


def test_options_are_drawn_from_the_probabilities():
    relaxation, draws = HardGumbel(), 4000
    drawn = [relaxation.gate(OP, ALPHA).index[0] for _ in range(draws)]
    for i, p in enumerate(ALPHA.softmax(0).tolist()):
        assert within(drawn.count(i), draws, p)


def test_it_has_no_zero_candidate_and_runs_all_inputs():
    assert not HardGumbel().null
    assert HardGumbel().gate(Decision("in", (0, 1, 2), k=2), None).index == (0, 1, 2)


def test_only_the_sample_runs_and_all_sites_of_a_name_run_the_same():
    ran: list[float] = []
    supernet = one_of(HardGumbel(), ran, sites=3)
    seen = set()
    for _ in range(30):
        ran.clear()
        y = supernet(X)
        assert len(ran) == 3
        assert len(set(ran)) == 1
        assert y.item() == ran[0] ** 3
        seen.add(ran[0])
    assert len(seen) > 1


def test_alpha_learns_from_the_sampled_option_alone():
    """dL/dα = 2·dL/dw of three sites with one gate, times the derivative of the soft weight."""
    ran: list[float] = []
    supernet = one_of(HardGumbel(linear(2.0, 2.0)), ran, sites=2)
    alpha = supernet.alphas["op"]
    supernet.relaxation.begin(5)
    y = supernet(X)
    found = torch.autograd.grad(y, alpha)[0]
    noise = gumbel_noise(alpha, torch.Generator().manual_seed(5))
    soft = ((alpha.log_softmax(0) + noise) / 2.0).softmax(0).max()
    expected = 2 * ran[0] ** 2 * torch.autograd.grad(soft, alpha)[0]
    assert torch.allclose(found, expected)


def test_while_alpha_is_fixed_the_sample_runs_without_weight():
    relaxation = HardGumbel()
    assert relaxation.gate(OP, ALPHA).weight is None
    with torch.no_grad():
        assert relaxation.gate(OP, nn.Parameter(ALPHA)).weight is None
    supernet = one_of(relaxation, [])
    with supernet.fixed_alphas():
        assert not supernet(X).requires_grad
    assert supernet(X).requires_grad
