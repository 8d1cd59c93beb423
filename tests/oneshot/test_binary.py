import itertools
from collections import Counter
from dataclasses import replace

import pytest
import torch
from choices import one_of, within
from torch.autograd.graph import saved_tensors_hooks

from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.decision import Decision
from nasturtium.spaces.base import SPACES, make_space

OP = Decision("op", ("a", "b", "c", "d"))
ALPHA = torch.tensor([0.5, -1.0, 1.0, 0.0])
X = torch.ones(1)


def learning() -> torch.Tensor:
    return ALPHA.clone().requires_grad_()


def test_pairs_are_drawn_without_replacement_and_one_of_them_by_the_renormalised_probabilities():
    relaxation, draws = Binary(), 6000
    pairs, on = Counter(), Counter()
    for _ in range(draws):
        gate = relaxation.gate(OP, learning())
        assert sorted(gate.weight.tolist()) == [0.0, 1.0]
        pair = tuple(sorted(gate.index))
        pairs[pair] += 1
        on[pair, gate.index[gate.weight.argmax()]] += 1
    p = ALPHA.softmax(0).tolist()
    for i, j in itertools.combinations(range(4), 2):
        both = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert within(pairs[i, j], draws, both)
        assert within(on[(i, j), i], pairs[i, j], p[i] / (p[i] + p[j]))


def test_the_gradient_is_the_papers():
    """∂L/∂αᵢ = Σⱼ ∂L/∂gⱼ pⱼ(δᵢⱼ − pᵢ) over the pair, zero elsewhere."""
    relaxation, by_gate = Binary(), [1.7, -0.6]
    for _ in range(20):
        alpha = learning()
        gate = relaxation.gate(OP, alpha)
        (gate.weight * torch.tensor(by_gate)).sum().backward()
        p = ALPHA[list(gate.index)].softmax(0)
        expected = torch.zeros(4)
        for i, option in enumerate(gate.index):
            expected[option] = sum(by_gate[j] * p[j] * (int(i == j) - p[i]) for j in range(2))
        assert torch.allclose(alpha.grad, expected)


def test_two_paths_run_for_the_architecture_and_the_idle_one_counts_in_its_gradient():
    ran: list[float] = []
    supernet = one_of(Binary(), ran)
    ran.clear()
    y = supernet(X)
    assert len(ran) == 2
    assert y.item() in ran
    found = torch.autograd.grad(y, supernet.alphas["op"])[0]
    # of the output itself ∂y/∂gⱼ is what path j gives, also where the gate is 0
    factors = [2.0, 3.0, 5.0, 7.0]
    at = [factors.index(f) for f in ran]
    p = ALPHA[at].softmax(0)
    slope = p[0] * p[1] * (ran[0] - ran[1])
    expected = torch.zeros(4)
    expected[at[0]], expected[at[1]] = slope, -slope
    assert torch.allclose(found, expected)


def test_one_path_drawn_from_the_probabilities_runs_for_the_weights():
    ran: list[float] = []
    supernet, draws = one_of(Binary(), ran), 3000
    ran.clear()
    with supernet.fixed_alphas():
        for _ in range(draws):
            assert supernet(X).item() == ran[-1]
    assert len(ran) == draws
    for factor, p in zip([2.0, 3.0, 5.0, 7.0], ALPHA.softmax(0).tolist(), strict=True):
        assert within(ran.count(factor), draws, p)


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_after_the_step_only_the_pair_has_moved_and_its_sum_has_not(decay):
    supernet = one_of(Binary(), ran := [])
    alpha = supernet.alphas["op"]
    adam = torch.optim.Adam([alpha], lr=0.3, betas=(0.9, 0.999), weight_decay=decay)
    for _ in range(10):
        before = alpha.detach().softmax(0)
        ran.clear()
        adam.zero_grad()
        supernet(X).square().sum().backward()
        adam.step()
        supernet.relaxation.settle(dict(supernet.alphas))
        after = alpha.detach().softmax(0)
        pair = [[2.0, 3.0, 5.0, 7.0].index(f) for f in ran]
        others = [i for i in range(4) if i not in pair]
        assert torch.allclose(after[others], before[others], atol=1e-6)
        assert after[pair].sum().item() == pytest.approx(before[pair].sum().item(), abs=1e-6)
        assert (after[pair] - before[pair]).abs().min() > 1e-4


def test_settling_without_an_architecture_update_changes_nothing():
    supernet = one_of(Binary(), [])
    supernet(X)
    supernet.relaxation.settle(dict(supernet.alphas))
    assert torch.allclose(supernet.alphas["op"], ALPHA)
    with supernet.fixed_alphas():
        supernet(X)
    with torch.no_grad():
        supernet.alphas["op"].add_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    supernet.relaxation.settle(dict(supernet.alphas))
    assert torch.allclose(supernet.alphas["op"], ALPHA + torch.tensor([1.0, 0.0, 0.0, 0.0]))


def test_a_single_option_just_runs_and_so_do_all_inputs():
    gate = Binary().gate(Decision("op", ("only",)), torch.zeros(1, requires_grad=True))
    assert gate.index == (0,)
    assert gate.weight is None
    assert Binary().gate(Decision("in", (0, 1, 2), k=2), None).index == (0, 1, 2)


@pytest.mark.parametrize("name", ["nasbench201", "darts", "nasbench-macro"])
def test_what_idles_keeps_nothing_and_changes_nothing(name):
    """In cells, and in choices outside of them."""
    entry = SPACES.get(name)
    blueprint = make_space(name, entry.small_shape, 3, entry.small)
    found, kept = [], []
    for busy in (False, True):
        supernet = Supernet(blueprint, Binary(), seed=4).train()
        if busy:
            supernet.filters.append(lambda _, gate: replace(gate, idle=frozenset()))
        sizes: list[int] = []
        with saved_tensors_hooks(lambda t, sizes=sizes: (sizes.append(t.numel()), t)[1], lambda t: t):
            y = supernet(*blueprint.inputs(4)).square().sum()
        found.append((y, torch.autograd.grad(y, list(supernet.alphas.values()), allow_unused=True)))
        kept.append(sum(sizes))
    torch.testing.assert_close(found[0], found[1])
    assert kept[0] < kept[1]
