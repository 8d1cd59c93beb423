import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.predictors.forest import Forest


@pytest.mark.parametrize("least", [2, 10])
def test_it_is_the_even_mixture_of_the_leaves(least):
    """Against the values that each tree drew, leaf by leaf."""
    rng = np.random.default_rng(0)
    x = rng.integers(2, size=(40, 4)).astype(np.float32)
    y = x.sum(axis=1) + rng.normal(size=40)
    new = rng.integers(2, size=(10, 4)).astype(np.float32)
    forest = Forest(seed=1, trees=7, least=least).fit(x, y)
    mean, std = forest.predict(new)
    grown = forest._forest
    for i, vector in enumerate(new):
        leaves = [
            y[drawn][tree.apply(x[drawn]) == tree.apply(vector[None])]
            for tree, drawn in zip(grown.estimators_, grown.estimators_samples_, strict=True)
        ]
        second = np.mean([(leaf**2).mean() for leaf in leaves])
        first = np.mean([leaf.mean() for leaf in leaves])
        assert mean[i] == pytest.approx(first)
        assert std[i] ** 2 == pytest.approx(second - first**2, abs=1e-12)


def test_leaves_below_the_least_are_not_split():
    x = np.arange(30, dtype=np.float32)[:, None]
    assert np.ptp(Forest(least=31).fit(x, x[:, 0]).predict(x)[0]) == pytest.approx(0)
    assert np.ptp(Forest(least=10).fit(x, x[:, 0]).predict(x)[0]) > 10


@pytest.mark.parametrize("options", [{"trees": 0}, {"least": 1}, {"features": 0.0}, {"features": 1.1}])
def test_senseless_forests_are_refused(options):
    with pytest.raises(UsageError, match="a forest has 1 or more trees"):
        Forest(**options)
