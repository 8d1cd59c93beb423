import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.predictors.mlp import MLP


def test_good_values_weigh_more():
    """Where all vectors are the same, the best constant is the median weighted by 1 / (y − bound)."""
    y = np.array([0.0, 1.0, 2.0, 8.0, 9.0, 10.0, 11.0])
    weight = 1 / (y - y.min() + y.std())
    middle = y[np.searchsorted(np.cumsum(weight), weight.sum() / 2)]
    assert middle == 2.0  # the plain median is 8
    mean, _ = MLP(steps=500).fit(np.zeros((7, 3)), y).predict(np.zeros((1, 3)))
    np.testing.assert_allclose(mean, middle, atol=0.2)


def test_it_learns_what_is_no_sum_of_parts():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    mean, std = MLP(seed=1, steps=300).fit(x, y).predict(x)
    np.testing.assert_allclose(mean, y, atol=0.1)
    far = MLP(seed=1, steps=300).fit(x, y).predict(x + 5)[1]
    assert far.min() > 5 * std.max()  # members agree on what they have seen


def test_a_feature_that_was_never_on_makes_it_unsure():
    x = np.eye(6)[np.random.default_rng(0).integers(5, size=40)]
    known, new = MLP().fit(x, x[:, 0] - x[:, 1]).predict(np.stack([x[0], x[0] + np.eye(6)[5]]))[1]
    assert new > 3 * known


@pytest.mark.parametrize(
    "options", [{"members": 1}, {"layers": 0}, {"width": 0}, {"steps": 0}, {"learning_rate": 0.0}]
)
def test_senseless_networks_are_refused(options):
    with pytest.raises(UsageError, match="mlp takes 2 or more members"):
        MLP(**options)
