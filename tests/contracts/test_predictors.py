"""What every registered predictor must do."""

import numpy as np
import pytest

from nasturtium.predictors.base import PREDICTORS

NAMES = PREDICTORS.names()


def data(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """One-hot vectors of six decisions with four options, and the sum of a value of each."""
    values = np.random.default_rng(1).normal(size=(6, 4))
    options = np.random.default_rng(seed).integers(4, size=(n, 6))
    x = np.eye(4, dtype=np.float32)[options].reshape(n, 24)
    return x, x @ values.ravel()


def predicted(name: str, x: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int = 0):
    return PREDICTORS.get(name)(seed=seed).fit(x, y).predict(new)


@pytest.mark.parametrize("name", NAMES)
def test_it_predicts_what_it_has_not_seen(name):
    """Three quarters of the variance."""
    (x, y), (new, truth) = data(200), data(300, seed=2)
    mean, std = predicted(name, x, y, new)
    assert mean.shape == std.shape == (300,)
    assert (std > 0).all()
    assert ((mean - truth) ** 2).mean() < 0.25 * truth.var()


@pytest.mark.parametrize("name", NAMES)
def test_where_it_is_less_sure_it_errs_more(name):
    (x, y), (new, truth) = data(60), data(1000, seed=2)
    mean, std = predicted(name, x, y, new)
    error, sure = np.abs(mean - truth), std < np.median(std)
    assert error[sure].mean() < error[~sure].mean()


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_and_the_worlds_random_numbers_are_left_alone(name):
    import torch

    (x, y), (new, _) = data(30), data(20, seed=2)
    before, state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    one, same, other = (predicted(name, x, y, new, seed)[0] for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_units_do_not_matter(name):
    (x, y), (new, truth) = data(200), data(300, seed=2)
    mean, std = predicted(name, x, y, new)
    scaled, spread = predicted(name, x, 1024 * y, new)
    np.testing.assert_allclose(scaled, 1024 * mean, rtol=1e-6)
    np.testing.assert_allclose(spread, 1024 * std, rtol=1e-6)
    shifted, spread = predicted(name, x, y + 1e6, new)
    assert ((shifted - 1e6 - truth) ** 2).mean() < 0.25 * truth.var()
    np.testing.assert_allclose(spread.mean(), std.mean(), rtol=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_constants_and_a_single_value_are_learned(name):
    x, _ = data(20)
    mean, std = predicted(name, x, np.full(20, 7.0), x)
    np.testing.assert_allclose(mean, 7.0, atol=0.3)
    assert (std < 0.3).all()
    mean, std = predicted(name, x[:1], np.array([-3.0]), x[:1])
    np.testing.assert_allclose(mean, -3.0, atol=0.3)
    assert np.isfinite(std).all()


@pytest.mark.parametrize("name", NAMES)
def test_it_forgets_when_it_learns_anew(name):
    (x, y), (new, _) = data(30), data(20, seed=2)
    again = PREDICTORS.get(name)(seed=0)
    again.fit(*data(50, seed=5)).predict(new)
    for one, other in zip(again.fit(x, y).predict(new), predicted(name, x, y, new), strict=True):
        np.testing.assert_array_equal(one, other)
