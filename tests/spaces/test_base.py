"""What `make_space` refuses before it makes anything, whatever the space."""

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space


@pytest.mark.parametrize("name", [None, 3, "dart", ("darts",)])
def test_unknown_names_are_refused(name):
    with pytest.raises(UsageError, match="unknown space"):
        make_space(name, (3, 32, 32), 10)


@pytest.mark.parametrize(
    "shape", [None, 32, "3232", (3, 32), (3, 32, 32, 32), (3, 32, "32"), (0, 32, 32), [3.0] * 3]
)
def test_shapes_of_something_else_are_refused(shape):
    with pytest.raises(
        UsageError, match=r"takes images of a shape such as \(3, 32, 32\), whole numbers.*got"
    ):
        make_space("darts", shape, 10)


def test_a_shape_may_be_a_list():
    blueprint = make_space("nasbench201", [1, 8, 8], 3, {"channels": 2, "cells": 1})
    assert blueprint.inputs(2)[0].shape == (2, 1, 8, 8)


@pytest.mark.parametrize("classes", [None, 0, -1, 2.5, "10", True])
def test_classes_are_whole_numbers(classes):
    with pytest.raises(UsageError, match="a whole number of classes from 1, got"):
        make_space("darts", (3, 32, 32), classes)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"chanels": 3}, "no network size 'chanels': did you mean 'channels'"),
        ({3: 3}, "no network size 3"),
        ({"channels": 0}, "'channels' must be at least 1, got 0"),
        ({"imagenet": -1}, "'imagenet' must be at least 0, got -1"),
        ({"channels": "8"}, "'channels' must be a whole number, got '8'"),
        ({"channels": 8.5}, "'channels' must be a whole number, got 8.5"),
        ({"channels": None}, "'channels' must be a whole number, got None"),
        (["channels"], "names and numbers, got"),
        (8, "names and numbers, got 8"),
    ],
)
def test_network_sizes_are_known_whole_numbers(sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("darts", (3, 32, 32), 10, sizes)
