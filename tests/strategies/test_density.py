from collections import Counter

import numpy as np
import pytest

from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.density import Density
from space.space_examples import conditional

OPS = Decision("op", ("a", "b", "c"))
DEPTH = Decision("depth", (1, 2, 3), ordered=True)
INPUTS = Decision("inputs", (0, 1, 2, 3), k=2)


def log(space: SearchSpace, centres: list[dict], arch: dict, width: float = 0.5) -> float:
    (value,) = Density(space, list(map(Architecture, centres)), width).log([Architecture(arch)])
    return float(value)


def test_kernels_by_hand():
    """With width ½: without order 1, ½, ½; in order from the first 1, ½, ¼, from the second ½, 1, ½; 2 of 4:
    one is at distance 0, four have one member exchanged, one has both.
    """
    ops, depth, inputs = SearchSpace([OPS]), SearchSpace([DEPTH]), SearchSpace([INPUTS])
    assert log(ops, [{"op": "a"}], {"op": "a"}) == pytest.approx(np.log(1 / 2))
    assert log(ops, [{"op": "a"}], {"op": "c"}) == pytest.approx(np.log(1 / 4))
    assert log(depth, [{"depth": 1}], {"depth": 3}) == pytest.approx(np.log(0.25 / 1.75))
    assert log(depth, [{"depth": 2}], {"depth": 3}) == pytest.approx(np.log(0.5 / 2))
    for value, mass in (((0, 1), 1), ((1, 3), 0.5), ((2, 3), 0.25)):
        found = log(inputs, [{"inputs": (0, 1)}], {"inputs": value})
        assert found == pytest.approx(np.log(mass / (1 + 4 * 0.5 + 0.25)))


def test_decisions_multiply_and_architectures_are_averaged():
    both = SearchSpace([OPS, DEPTH])
    centres = [{"op": "a", "depth": 1}, {"op": "b", "depth": 2}]
    one, other = (1 / 2) * (0.25 / 1.75), (1 / 4) * (0.5 / 2)
    assert log(both, centres, {"op": "a", "depth": 3}) == pytest.approx(np.log((one + other) / 2))


@pytest.mark.parametrize("width", [0.01, 0.3, 0.9])
def test_what_is_switched_off_is_left_out_and_all_adds_up_to_one(width):
    space = conditional()
    archs = list(space.enumerate())
    for centres in (archs[:1], archs[3:5], archs):
        assert np.exp(Density(space, centres, width).log(archs)).sum() == pytest.approx(1)


def test_it_is_drawn_from():
    space = SearchSpace([OPS, DEPTH, INPUTS])
    archs = list(space.enumerate())
    rng = np.random.default_rng(0)
    density = Density(space, [space.sample(rng), space.sample(rng)], 0.3)
    drawn = Counter(density.sample(rng) for _ in range(4000))
    expected = 4000 * np.exp(density.log(archs))
    met = np.array([drawn[arch] for arch in archs])
    assert met.sum() == 4000
    # Pearson's statistic has a mean of about as many as there are, and a standard deviation of √(2·54)
    assert ((met - expected) ** 2 / expected).sum() < len(archs) + 4 * (2 * len(archs)) ** 0.5


def test_many_at_once_are_as_one_by_one():
    space = conditional()
    archs = list(space.enumerate())
    density = Density(space, archs[2:6], 0.2)
    assert density.log(archs).tolist() == pytest.approx([float(density.log([arch])[0]) for arch in archs])
