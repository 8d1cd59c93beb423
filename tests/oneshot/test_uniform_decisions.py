"""Paths whose decisions are uniform one by one."""

from collections import Counter

import numpy as np
import pytest

from nasturtium.oneshot.paths import UniformDecisions, UniformPaths
from path_search_parts import BLUEPRINTS

DRAWS = 3000
BOUND = 5 * (DRAWS * (1 / 3) * (2 / 3)) ** 0.5  # five standard deviations of a count


def test_a_stack_is_as_often_shallow_as_deep():
    space = BLUEPRINTS["nested"].space
    rng = np.random.default_rng(0)
    archs = [arch for _ in range(DRAWS // 2) for arch in UniformDecisions(space, 2).paths(rng, 0.0)]
    depths = Counter(arch["depth"] for arch in archs)
    for depth in (1, 2, 3):
        assert depths[depth] == pytest.approx(DRAWS / 3, abs=BOUND)
    assert all(arch in space for arch in archs[:50])
    by_architecture = Counter(UniformPaths(space).paths(rng, 0.0)[0]["depth"] for _ in range(DRAWS))
    assert by_architecture[1] < DRAWS / 3 - 2 * BOUND


def test_the_same_generator_gives_the_same_paths():
    sampler = UniformDecisions(BLUEPRINTS["elastic"].space, 3)
    one, other = (sampler.paths(np.random.default_rng(4), 0.0) for _ in range(2))
    assert one == other
    assert len(one) == 3
