import copy
import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.space.constraints import Count
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import make_space
from nasturtium.strategies.learned.controller import Controller, Policy, Trajectory
from space.space_examples import conditional, darts_like

ARMS = SearchSpace([Decision("arm", ("a", "b", "c"))])
REWARDS = {"a": 0.2, "b": 1.0, "c": -0.5}


def controller(space, *, entropy=0.0, learning_rate=0.01, decay=0.9, seed=0):
    return Controller(space, seed=seed, learning_rate=learning_rate, entropy=entropy, decay=decay)


def gradients(loss, policy):
    return torch.autograd.grad(loss, list(policy.parameters()), allow_unused=True)


def every_trajectory(space):
    """All ways to make all architectures: k picks may come in any order."""
    policy = Policy(space, seed=0)
    for arch in space.enumerate():
        sizes = [d.k for d in (space.decisions[n] for n in arch) if d.count() > 1]
        picks = iter(policy.picks(arch))
        groups = [list(itertools.islice(picks, k)) for k in sizes]
        for orders in itertools.product(*map(itertools.permutations, groups)):
            yield Trajectory(arch, tuple(itertools.chain(*orders)))


def assert_alike(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_the_expected_gradient_is_that_of_the_expected_reward(baseline):
    """On three arms, by exact enumeration, whatever the baseline."""
    learner = controller(ARMS)
    learner.baseline = baseline
    arms = list(every_trajectory(ARMS))
    probabilities = [learner.policy.score(t)[0].exp() for t in arms]
    objective = sum(p * REWARDS[t.arch["arm"]] for p, t in zip(probabilities, arms, strict=True))
    expected = gradients(-objective, learner.policy)
    surrogate = sum(
        p.detach() * learner.loss([t], [REWARDS[t.arch["arm"]]])
        for p, t in zip(probabilities, arms, strict=True)
    )
    assert_alike(gradients(surrogate, learner.policy), expected)


def test_the_same_under_conditions_and_with_k_of_n():
    """The reward of an architecture is some fixed number."""
    space = conditional()
    learner = controller(space)
    learner.baseline = 0.3
    rng = np.random.default_rng(0)
    reward = {arch: float(rng.normal()) for arch in space.enumerate()}
    ways = list(every_trajectory(space))
    assert len(ways) == 1 + 3 * 2 + 3 * 2
    probabilities = [learner.policy.score(t)[0].exp() for t in ways]
    assert float(sum(probabilities).detach()) == pytest.approx(1.0, abs=1e-5)
    expected = gradients(
        -sum(p * reward[t.arch] for p, t in zip(probabilities, ways, strict=True)), learner.policy
    )
    surrogate = sum(
        p.detach() * learner.loss([t], [reward[t.arch]]) for p, t in zip(probabilities, ways, strict=True)
    )
    assert_alike(gradients(surrogate, learner.policy), expected)


def test_the_mean_over_samples_is_that_gradient_within_its_error():
    """Monte Carlo with the controller's own samples: each entry within five standard errors."""
    learner = controller(ARMS)
    learner.baseline = 0.5
    arms = {t.arch["arm"]: t for t in every_trajectory(ARMS)}
    head = learner.policy.head.bias
    single = {arm: torch.autograd.grad(learner.loss([t], [REWARDS[arm]]), head)[0] for arm, t in arms.items()}
    p = {arm: learner.policy.score(t)[0].exp().item() for arm, t in arms.items()}
    exact = sum(p[arm] * single[arm] for arm in p)
    rng = np.random.default_rng(0)
    drawn = torch.stack([single[learner.sample(rng).arch["arm"]] for _ in range(2000)])
    error = drawn.std(dim=0) / 2000**0.5
    assert ((drawn.mean(dim=0) - exact).abs() < 5 * error).all()


def test_entropy_by_hand():
    policy = Policy(ARMS, seed=0)
    p = np.array([policy.score(t)[0].exp().item() for t in every_trajectory(ARMS)])
    _, entropy = policy.score(next(every_trajectory(ARMS)))
    assert entropy.item() == pytest.approx(-(p * np.log(p)).sum(), abs=1e-6)


def test_the_bonus_pulls_towards_uniform():
    learner = controller(ARMS, entropy=1.0, learning_rate=0.05)
    with torch.no_grad():
        learner.policy.head.bias[0] += 3
    before = [learner.policy.score(t)[0].exp().item() for t in every_trajectory(ARMS)]
    rng = np.random.default_rng(0)
    for _ in range(100):
        learner.learn([learner.sample(rng)], [0.0])
    after = [learner.policy.score(t)[0].exp().item() for t in every_trajectory(ARMS)]
    assert before[0] > 0.8
    assert max(after) < 0.4


def test_it_learns_the_best_arm():
    learner = controller(ARMS, learning_rate=0.02)
    rng = np.random.default_rng(0)
    for _ in range(150):
        drawn = learner.sample(rng)
        learner.learn([drawn], [REWARDS[drawn.arch["arm"]]])
    counts = Counter(learner.sample(rng).arch["arm"] for _ in range(100))
    assert counts["b"] > 90


def test_the_first_reward_sets_the_baseline_and_later_ones_move_it():
    learner = controller(ARMS, decay=0.75)
    arms = list(every_trajectory(ARMS))
    learner.learn(arms[:1], [2.0])
    assert learner.baseline == 2.0
    learner.learn(arms[:2], [1.0, 5.0])
    assert learner.baseline == pytest.approx(0.75 * 2 + 0.25 * 3)


@pytest.mark.parametrize("space", [ARMS, conditional(), darts_like()], ids=["arms", "conditional", "darts"])
def test_samples_are_valid_and_scored_as_they_were_drawn(space):
    policy = Policy(space, seed=1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        drawn = policy.sample(rng)
        assert space.why_not(drawn.arch) is None
        log_prob, entropy = policy.score(drawn)
        assert torch.isfinite(log_prob)
        assert torch.isfinite(entropy)
    loss = -log_prob - entropy
    assert all(g is None or g.isfinite().all() for g in gradients(loss, policy))


def test_samples_are_nearly_uniform_decisions_at_first():
    policy = Policy(ARMS, seed=0)
    rng = np.random.default_rng(0)
    counts = Counter(policy.sample(rng).arch["arm"] for _ in range(900))
    assert all(abs(counts[arm] - 300) < 5 * (900 * 2 / 9) ** 0.5 for arm in "abc")


@pytest.mark.parametrize("tries", [0, 100])
def test_what_breaks_a_constraint_is_drawn_again_or_repaired(monkeypatch, tries):
    monkeypatch.setattr("nasturtium.strategies.learned.controller.TRIES", max(tries, 1))
    names = [f"d{i}" for i in range(6)]
    rule = Count("one a", frozenset(names), frozenset("a"), least=1, most=1)
    space = SearchSpace([Decision(name, tuple("ab")) for name in names], constraints=[rule])
    policy = Policy(space, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(50):
        drawn = policy.sample(rng)
        assert space.why_not(drawn.arch) is None
        assert policy.picks(drawn.arch) == drawn.picks


def test_its_state_brings_it_back():
    learner, other = controller(ARMS), controller(ARMS, seed=5)
    rng = np.random.default_rng(0)
    for _ in range(5):
        drawn = learner.sample(rng)
        learner.learn([drawn], [REWARDS[drawn.arch["arm"]]])
    other.load_state(copy.deepcopy(learner.state()))  # as from a file
    for one in (learner, other):
        one.learn(list(every_trajectory(ARMS))[:1], [0.9])
    assert other.baseline == learner.baseline
    for a, b in zip(learner.policy.parameters(), other.policy.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_space_without_end_is_refused():
    space = make_space("network-morphism", (1, 8, 8), 3, {}).space
    with pytest.raises(UsageError, match="no list of them"):
        controller(space)


@pytest.mark.parametrize("advantage", [2.0, -2.0])
def test_clipped_picks_learn_no_more(advantage):
    """On one arm whose probability has changed by the factor r since it was drawn."""
    learner = controller(ARMS)
    (arm,) = (t for t in every_trajectory(ARMS) if t.arch["arm"] == "a")
    now = learner.policy.score_each(arm)[0]
    for r in (0.5, 0.79, 0.9, 1.1, 1.21, 2.0):
        before = [now.detach() - math.log(r)]
        loss = learner.clipped_loss([arm], before, [advantage], clip=0.2)
        clipped = r > 1.2 if advantage > 0 else r < 0.8
        kept = min(max(r, 0.8), 1.2) if clipped else r
        assert loss.item() == pytest.approx(-kept * advantage, rel=1e-4)
        slopes = [g for g in gradients(loss, learner.policy) if g is not None]
        assert all((g == 0).all() for g in slopes) == clipped


def test_where_nothing_has_changed_ppo_is_reinforce():
    """Its first step has the gradient of REINFORCE, whatever the clip."""
    learner = controller(darts_like(), entropy=0.3)
    drawn = [learner.sample(np.random.default_rng(i)) for i in range(3)]
    before = [learner.policy.score_each(t)[0].detach() for t in drawn]
    learner.baseline = 0.0
    rewards = [1.0, -0.5, 2.0]
    clipped = learner.clipped_loss(drawn, before, rewards, clip=0.1)
    assert_alike(gradients(clipped, learner.policy), gradients(learner.loss(drawn, rewards), learner.policy))


def test_advantages_do_not_depend_on_the_unit_of_the_reward():
    found = []
    for unit in (1.0, 1000.0):
        learner = controller(ARMS)
        arms = list(every_trajectory(ARMS))
        before = [learner.policy.score_each(t)[0].detach() for t in arms]
        rewards = [unit * REWARDS[t.arch["arm"]] for t in arms]
        learner.learn_clipped(arms, before, rewards, clip=0.2, steps=4)
        found.append([learner.policy.score(t)[0].item() for t in arms])
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    b = [t.arch["arm"] for t in arms].index("b")
    assert found[0][b] == max(found[0])


def test_one_reward_above_the_baseline_is_an_advantage_of_one():
    learner, other = controller(ARMS), controller(ARMS)
    learner.baseline = 0.0
    arm = next(every_trajectory(ARMS))
    before = [learner.policy.score_each(arm)[0].detach()]
    learner.learn_clipped([arm], before, [0.3], clip=0.2, steps=1)
    other._step(other.clipped_loss([arm], before, [1.0], clip=0.2))
    assert_alike(list(learner.policy.parameters()), list(other.policy.parameters()))
    assert learner.baseline == pytest.approx(0.1 * 0.3)
