import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.predictors.gradient_boosting import GradientBoosting


def test_members_that_can_split_nothing_say_the_means_of_their_bootstrap_samples():
    """Of 400 values with standard deviation 1 these deviate by 1/20."""
    y = np.random.default_rng(0).permutation(np.repeat([-1.0, 1.0], 200))
    mean, std = GradientBoosting(members=200, trees=1).fit(np.zeros((400, 2)), y).predict(np.zeros((3, 2)))
    np.testing.assert_allclose(mean, 0.0, atol=4 * 0.05 / 200**0.5)
    np.testing.assert_allclose(std, 0.05, atol=4 * 0.05 / 400**0.5)


@pytest.mark.parametrize("options", [{"members": 1}, {"trees": 0}, {"depth": 0}])
def test_senseless_boosters_are_refused(options):
    with pytest.raises(UsageError, match="gradient boosting takes"):
        GradientBoosting(**options)
