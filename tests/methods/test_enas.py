"""The controller's part of ENAS; its stages are tested with those of all single-path methods."""

import copy
from collections import Counter

import numpy as np
import torch

from nasturtium.methods.enas import TOGETHER, ControllerPaths, Drawn
from nasturtium.oneshot.paths import Score
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

SPACE = SearchSpace([Decision(name, ("x", "y", "z")) for name in "ab"])


def good(arch) -> float:
    """Option y is good at both places."""
    return 0.1 + 0.4 * sum(option == "y" for option in arch.values())


def score(paths):
    return [Score(1.0, good(path)) for path in paths]


def sampler(over=lambda arch: 0.0, *, seed=0):
    return ControllerPaths(SPACE, over, seed=seed)


def search(paths, epochs=60, *, steps=20):
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(epochs):
        drawn = [path for _ in range(steps) for path in paths.paths(rng, 0.0)]
        paths.learn(score, rng, 0.0)
    return drawn


def test_paths_become_good_ones():
    drawn = search(sampler())
    assert np.mean([good(path) for path in drawn]) > 0.8  # of 0.37 for uniform ones, and 0.9 at best


def test_it_learns_from_as_many_paths_as_were_trained_a_few_on_each_batch():
    asked = []

    def counting(paths):
        asked.append(len(paths))
        return score(paths)

    paths, rng = sampler(), np.random.default_rng(0)
    for _ in range(13):
        paths.paths(rng, 0.0)
    paths.learn(counting, rng, 0.0)
    assert asked == [TOGETHER, TOGETHER, 3]
    paths.learn(counting, rng, 0.0)
    assert len(asked) == 3


def test_paths_over_the_limits_are_not_run_and_not_drawn_for_long():
    """The best option at place b is over the limit."""

    def over(arch):
        return 0.5 if arch["b"] == "y" else 0.0

    def strict(paths):
        assert not any(map(over, paths))
        return score(paths)

    paths, rng = sampler(over), np.random.default_rng(0)
    for _ in range(60):
        drawn = [path for _ in range(20) for path in paths.paths(rng, 0.0)]
        paths.learn(strict, rng, 0.0)
    counts = Counter((path["a"], path["b"] == "y") for path in drawn)
    assert counts["y", False] >= 15


def test_its_state_brings_it_back():
    one, other = sampler(), sampler(seed=9)
    search(one, epochs=2)
    other.load_state(copy.deepcopy(one.state()))  # as from a file
    assert search(one, epochs=3) == search(other, epochs=3)
    weights = zip(one.controller.policy.parameters(), other.controller.policy.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_what_is_scored_in_the_end_is_drawn_once():
    problem = Problem(SPACE, (Objective("valid_accuracy", "max"),), (Fidelity(0),))
    drawn = Drawn(problem, sampler().controller, seed=3)
    found = [proposal.arch for proposal in drawn.ask(4) + drawn.ask(20)]
    assert len(found) == len(set(found)) == 9
    assert drawn.ask(1) == []
