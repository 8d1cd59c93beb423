import warnings

import numpy as np
import pytest
from scipy import integrate, stats

from nasturtium.strategies.acquisition import (
    expected_improvement,
    expected_improvement_of_log,
    lower_bound,
    thompson,
)


def gain_of_log(best: float, y: float) -> float:
    return float(np.exp(best) - np.exp(y))


@pytest.mark.parametrize("best", [-1.0, 0.3, 2.0])
@pytest.mark.parametrize(
    ("closed", "gain"),
    [(expected_improvement, lambda best, y: best - y), (expected_improvement_of_log, gain_of_log)],
)
def test_improvements_are_the_integrals_that_define_them(closed, gain, best):
    means, stds = (grid.ravel() for grid in np.meshgrid([-2.0, 0.0, 0.3, 1.5], [0.01, 0.5, 3.0]))
    for mean, std, found in zip(means, stds, closed(means, stds, best), strict=True):
        density = stats.norm(mean, std).pdf
        low = min(mean, best) - 12 * std
        expected, _ = integrate.quad(
            lambda y, p=density: gain(best, y) * p(y), low, best, points=[mean] if low < mean < best else None
        )
        assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_a_certain_prediction_improves_by_what_it_says():
    mean = np.array([1.0, 2.0, 3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(expected_improvement(mean, np.zeros(3), 2.5), [1.5, 0.5, 0.0])
        np.testing.assert_allclose(expected_improvement(mean, np.full(3, 5e-324), 2.5), [1.5, 0.5, 0.0])
        gains = np.maximum(np.exp(2.5) - np.exp(mean), 0)
        np.testing.assert_allclose(expected_improvement_of_log(mean, np.zeros(3), 2.5), gains)
        np.testing.assert_allclose(expected_improvement_of_log(mean, np.full(3, 5e-324), 2.5), gains)


def test_no_improvement_is_never_less_than_none():
    z = np.linspace(-60, 60, 500)
    improvement = expected_improvement(-z, np.ones(500), 0.0)
    assert (improvement >= 0).all()
    assert (np.diff(improvement) >= 0).all()


def test_great_uncertainty_of_a_logarithm_is_no_overflow():
    """The gain nears exp(best) as nearly half of the distribution lies far below it."""
    found = expected_improvement_of_log(np.zeros(1), np.array([1000.0]), 0.0)
    np.testing.assert_allclose(found, 0.5, atol=1e-3)


def test_the_bound_lies_below_the_mean_by_so_many_deviations():
    np.testing.assert_array_equal(lower_bound(np.array([1.0, 2.0]), np.array([0.5, 0.0]), 2.0), [0.0, 2.0])


def test_thompson_draws_each_loss_by_itself():
    rng = np.random.default_rng(0)
    mean, std = np.array([0.0, 5.0, -1.0]), np.array([1.0, 0.1, 0.0])
    drawn = np.array([thompson(mean, std, rng) for _ in range(4000)])
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=4 / 4000**0.5)
    np.testing.assert_allclose(drawn.std(axis=0), std, atol=4 / 8000**0.5)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 4 / 4000**0.5
    assert (drawn[:, 2] == -1.0).all()
