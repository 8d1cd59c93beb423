import itertools
import math

import pytest
import torch
from choices import four, one_of, times, within
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.policy_gradient import PolicyGradient, accuracy_alone
from nasturtium.oneshot.relaxations.policy import Policy
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import members

BATCH = torch.ones(1), torch.zeros(1)
EARNS = {"a": 1.0, "b": -0.5, "c": 2.0}


def arms() -> nn.Module:
    return OneOf("op", times([], a=2, b=3, c=5))


class Nested(nn.Module):
    """A pair of inputs and a choice below another."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = InputChoice("in", 3, k=2)
        self.op = OneOf("op", {"a": nn.Identity, "b": lambda: OneOf("inner", times([], x=2, y=3))})

    def forward(self, x):
        return self.op(self.inputs([x, 2 * x, 3 * x]))


def supernet(make, **options) -> Supernet:
    blueprint = Blueprint(make, **options)
    net = Supernet(blueprint, Policy(blueprint.space))
    with torch.no_grad():
        for i, alpha in enumerate(net.alphas.values()):
            alpha.copy_(torch.tensor([0.3, -0.4, 0.9]).roll(i)[: len(alpha)])
    return net.double()


def estimates(net: Supernet, earns, *, baseline: float, number: int = 2000) -> dict[str, torch.Tensor]:
    """Many gradients of one path each, with a baseline that stays, by name: number × row."""
    policy = net.relaxation
    step = PolicyGradient(policy, lambda y, labels, arch: torch.tensor(earns(arch)), paths=1, memory=1.0)
    policy.baseline.fill_(baseline)
    found = [step.gradient(net, BATCH, BATCH, lambda y, labels: y.sum(), None) for _ in range(number)]
    return {name: torch.stack([gradients[name] for gradients in found]) for name in net.alphas}


def unbiased(found: torch.Tensor, expected: torch.Tensor) -> bool:
    error = found.std(dim=0) / math.sqrt(len(found))
    return bool(((found.mean(dim=0) - expected).abs() <= 4.5 * error + 1e-9).all())


@pytest.mark.parametrize("baseline", [0.0, 0.8])
def test_of_three_arms_it_is_the_gradient_of_the_expected_reward_by_enumeration(baseline):
    net = supernet(arms)
    alpha = net.alphas["op"]
    expected = -sum(p * EARNS[o] for p, o in zip(alpha.softmax(0), EARNS, strict=True))
    exact = torch.autograd.grad(expected, alpha)[0]
    found = estimates(net, lambda arch: EARNS[arch["op"]], baseline=baseline)["op"]
    assert unbiased(found, exact)
    assert not unbiased(found, torch.zeros(3))


def reward_of(arch) -> float:
    return sum(members(arch["in"])) + {"a": 0.0, "b": 1.0}[arch["op"]] * (2 - (arch.get("inner") == "x"))


def enumerated(net: Supernet) -> dict:
    """The probability of every architecture: of pairs in both orders, of what is active only."""
    p = {name: alpha.softmax(0) for name, alpha in net.alphas.items()}
    first, second = p["in"], p["op"]
    found = {}
    for arch in net.space.enumerate():
        i, j = (int(k) for k in arch["in"])
        pair = first[i] * first[j] / (1 - first[i]) + first[j] * first[i] / (1 - first[j])
        op = second["ab".index(arch["op"])]
        inner = p["inner"]["xy".index(arch["inner"])] if "inner" in arch else 1.0
        found[arch] = pair * op * inner
    return found


NOT_01 = Rule("inputs 0 and 1 with a", frozenset(["in", "op"]), lambda v: (v["in"], v["op"]) != ((0, 1), "a"))


@pytest.mark.parametrize("constraints", [(), (NOT_01,)], ids=["free", "constrained"])
def test_with_pairs_conditions_and_rejected_draws_it_is_still_unbiased(constraints):
    net = supernet(Nested, constraints=constraints)
    chances = enumerated(net)
    total = sum(chances.values())
    assert (total.item() < 0.999) == bool(constraints)
    expected = -sum(p * reward_of(arch) for arch, p in chances.items()) / total
    exact = dict(
        zip(
            net.alphas,
            torch.autograd.grad(expected, list(net.alphas.values()), retain_graph=True),
            strict=True,
        )
    )
    found = estimates(net, reward_of, baseline=0.5)
    assert all(unbiased(found[name], exact[name]) for name in net.alphas)
    assert not all(unbiased(found[name], torch.zeros_like(exact[name])) for name in net.alphas)


@pytest.mark.parametrize("constraints", [(), (NOT_01,)], ids=["free", "constrained"])
def test_paths_are_drawn_with_their_probabilities_and_always_valid(constraints):
    net, number = supernet(Nested, constraints=constraints), 3000
    chances = enumerated(net)
    total = sum(chances.values()).item()
    drawn = [net.relaxation.draw(dict(net.alphas)) for _ in range(number)]
    archs = [trajectory.arch for trajectory in drawn]
    for arch, p in chances.items():
        assert within(archs.count(arch), number, p.item() / total)
    rejected = any(len(t.steps) > len(t.arch) for t in drawn)
    assert rejected == bool(constraints)


def test_log_probabilities_are_those_of_the_very_draws():
    net = supernet(Nested)
    alphas = dict(net.alphas)
    p = {name: alpha.softmax(0) for name, alpha in alphas.items()}
    for _ in range(20):
        trajectory = net.relaxation.draw(alphas)
        expected = torch.ones(())
        for name, (first, *rest) in trajectory.steps:
            expected = expected * p[name][first]
            for second in rest:
                expected = expected * p[name][second] / (1 - p[name][first])
        found = net.relaxation.log_probability(trajectory, alphas)
        assert found.item() == pytest.approx(expected.log().item())


def test_orders_of_a_pair_add_up_to_one():
    net = supernet(Nested)
    total = sum(
        net.relaxation.log_probability(type("T", (), {"steps": (("in", order),)}), dict(net.alphas)).exp()
        for order in itertools.permutations(range(3), 2)
    )
    assert total.item() == pytest.approx(1.0)


def test_the_baseline_follows_the_mean_reward():
    net = supernet(arms)
    policy = net.relaxation
    rewards = iter([1.0, 3.0, 5.0, 5.0])
    step = PolicyGradient(policy, lambda *_: torch.tensor(next(rewards)), paths=2, memory=0.75)
    assert policy.baseline.isnan()
    for expected in (2.0, 0.75 * 2.0 + 0.25 * 5.0):
        step.gradient(net, BATCH, BATCH, lambda y, labels: y.sum(), None)
        assert policy.baseline.item() == pytest.approx(expected)
    policy.begin(0)
    assert policy.baseline.isnan()


def test_it_runs_one_path_for_each_reward_and_computes_no_gradient_of_the_network():
    ran: list[float] = []
    policy = Policy(four(ran).space)
    net = one_of(policy, ran)
    seen = []

    def loss(y, labels):
        assert not y.requires_grad
        seen.append(y.item())
        return y.sum()

    step = PolicyGradient(policy, lambda y, labels, arch: y.sum(), paths=7)
    step.gradient(net, BATCH, BATCH, loss, None)
    assert step.passes == len(ran) == len(seen) == 7
    assert step.backward_passes == 0
    assert seen == ran
    ran.clear()
    assert net(BATCH[0]).item() == ran[0]  # paths are drawn again afterwards
    assert len(ran) == 1


def test_penalties_of_the_loss_reach_the_parameters():
    net = supernet(arms)
    step = PolicyGradient(net.relaxation, lambda *_: torch.tensor(0.0), paths=3)
    found = step.gradient(net, BATCH, BATCH, lambda y, labels: y.sum() + 2 * net.alphas["op"].sum(), None)
    assert found["op"].tolist() == pytest.approx([2.0, 2.0, 2.0])


def test_accuracy_is_the_share_of_right_answers():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert accuracy_alone(logits, torch.tensor([0, 1, 1]), None).item() == pytest.approx(2 / 3)


def test_constraints_that_leave_next_to_nothing_are_refused():
    never = Rule("op is a, b or c", frozenset(["op"]), lambda values: False)
    net = supernet(arms, constraints=[never])
    with pytest.raises(UsageError, match="none of 1000 paths.*op is a, b or c.*such as random"):
        net.relaxation.draw(dict(net.alphas))
