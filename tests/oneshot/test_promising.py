import json
import math

import numpy as np

from nasturtium.oneshot.paths import Score, UniformPaths
from nasturtium.oneshot.promising import CANDIDATES, GREED, PromisingPaths
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from path_search_parts import BLUEPRINTS

COIN = SearchSpace([Decision("op", ("good", "bad"))])


def coin(paths) -> list[Score]:
    return [Score(loss=1.0 + (path["op"] == "bad"), accuracy=0.5) for path in paths]


def additive(paths) -> list[Score]:
    """Deeper is better, and so are blocks that do something."""
    return [Score(4.0 - path["depth"] + sum(v == "skip" for v in path.values()), 0.5) for path in paths]


def learned(space, score, epochs: int = 3) -> PromisingPaths:
    sampler, rng = PromisingPaths(space), np.random.default_rng(0)
    for _ in range(epochs):
        sampler.learn(score, rng, 0.0)
    return sampler


def test_at_first_and_before_anything_is_learned_paths_are_uniform():
    def drawn(sampler, progress):
        rng = np.random.default_rng(1)
        return [sampler.paths(rng, progress) for _ in range(500)]

    for sampler, progress in ((PromisingPaths(COIN), 1.0), (learned(COIN, coin), 0.0)):
        share = np.mean([paths[0]["op"] == "good" for paths in drawn(sampler, progress)])
        assert abs(share - 0.5) < 4 * math.sqrt(0.25 / 500)
    fresh, uniform = PromisingPaths(COIN), UniformPaths(COIN)
    assert drawn(fresh, 1.0) == drawn(uniform, 1.0)


def test_in_the_end_the_best_of_ten_is_trained_in_four_of_five_steps():
    sampler, rng = learned(COIN, coin), np.random.default_rng(2)
    for progress in (0.5, 1.0):
        greedy = GREED * progress
        expected = (1 - greedy) / 2 + greedy * (1 - 0.5**CANDIDATES)
        share = np.mean([sampler.paths(rng, progress)[0]["op"] == "good" for _ in range(4000)])
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)


def test_the_prediction_ranks_paths_as_their_losses_do():
    space = BLUEPRINTS["nested"].space
    sampler = learned(space, additive)
    paths = list(space.enumerate())
    predicted, true = sampler.predict(paths), np.array([score.loss for score in additive(paths)])
    assert np.corrcoef(predicted, true)[0, 1] > 0.9
    assert true[predicted.argmin()] == true.min()


def test_batches_that_are_harder_for_all_paths_change_nothing():
    """Losses are compared within a batch, whatever its level and spread."""
    space = BLUEPRINTS["nested"].space
    calls = iter([(0.0, 1.0), (50.0, 3.0), (-20.0, 0.1)])

    def shifted(paths):
        shift, scale = next(calls)
        return [Score(shift + scale * score.loss, 0.5) for score in additive(paths)]

    paths = list(space.enumerate())
    np.testing.assert_allclose(
        learned(space, shifted).predict(paths), learned(space, additive).predict(paths), atol=1e-9
    )


def test_equal_losses_teach_nothing():
    sampler = learned(COIN, lambda paths: [Score(1.0, 0.5)] * len(paths))
    assert np.allclose(sampler.predict(list(COIN.enumerate())), 0)


def test_it_goes_on_where_its_state_was_taken():
    space = BLUEPRINTS["nested"].space
    first, second = learned(space, additive, epochs=7), PromisingPaths(space)
    second.load_state(json.loads(json.dumps(first.state())))
    same = np.random.default_rng(7), np.random.default_rng(7)
    assert [first.paths(same[0], 0.9) for _ in range(30)] == [second.paths(same[1], 0.9) for _ in range(30)]
    fresh = PromisingPaths(space)
    fresh.load_state(PromisingPaths(space).state())
    assert fresh.paths(np.random.default_rng(0), 1.0) == UniformPaths(space).paths(
        np.random.default_rng(0), 1.0
    )
