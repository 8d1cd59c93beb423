import numpy as np
import pytest

from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.cube import Cube
from space.space_examples import conditional, darts_like

SPACE = SearchSpace([Decision("op", ("a", "b", "c")), Decision("inputs", (0, 1, 2), k=2)])


def test_a_coordinate_is_split_into_equal_parts():
    cube, rng = Cube(SPACE), np.random.default_rng(0)
    for point, op, inputs in [
        ((0.0, 0.0), "a", (0, 1)),
        ((0.33, 0.34), "a", (0, 2)),
        ((0.34, 0.66), "b", (0, 2)),
        ((1.0, 1.0), "c", (1, 2)),
    ]:
        assert dict(cube.architecture(np.array(point), rng)) == {"op": op, "inputs": inputs}


@pytest.mark.parametrize("space", [conditional, darts_like], ids=["conditional", "darts"])
def test_a_point_says_its_architecture(space):
    made, rng = space(), np.random.default_rng(1)
    cube = Cube(made)
    for _ in range(50):
        arch, near = made.sample(rng), rng.random(cube.dimensions)
        point = cube.point(arch, near, rng)
        assert cube.architecture(point, rng) == arch
        assert ((point >= 0) & (point < 1)).all()
        assert (cube.point(arch, point, rng) == point).all()


def test_only_coordinates_that_say_something_else_are_changed():
    cube, rng = Cube(SPACE), np.random.default_rng(2)
    near = np.array([0.1, 0.9])
    point = cube.point({"op": "c", "inputs": (1, 2)}, near, rng)
    assert point[1] == 0.9
    assert 2 / 3 <= point[0] < 1
