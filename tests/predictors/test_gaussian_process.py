import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from nasturtium.predictors.gaussian_process import LENGTHS, Posterior, Prior, most_likely

RNG = np.random.default_rng(0)
POINTS, CANDIDATES = RNG.normal(size=(30, 4)), RNG.normal(size=(20, 4))
VALUES = np.sin(POINTS[:, 0]) + POINTS[:, 1]
LENGTH = 1.5
PRIOR = Prior(np.full(4, 1 / (2 * LENGTH**2)), 0.1)


def test_mean_and_deviation_are_those_of_scikit_learn():
    theirs = GaussianProcessRegressor(RBF(LENGTH), alpha=0.1, optimizer=None).fit(POINTS, VALUES)
    mean, std = theirs.predict(CANDIDATES, return_std=True)
    ours = Posterior(PRIOR, 4)
    ours.observe(POINTS)
    ours.consider(CANDIDATES)
    found, spread = ours.at_candidates(VALUES)
    factor = np.linalg.cholesky(PRIOR.covariance(POINTS, POINTS) + 0.1 * np.eye(30))
    variance = np.mean(np.linalg.solve(factor, VALUES) ** 2)  # of the function, which theirs takes as one
    assert found == pytest.approx(mean, abs=1e-9)
    assert spread == pytest.approx(std * variance**0.5, abs=1e-9)


def test_points_and_candidates_may_come_in_any_order_and_number():
    at_once = Posterior(PRIOR, 4)
    at_once.observe(POINTS)
    at_once.consider(CANDIDATES)
    one_by_one = Posterior(PRIOR, 4)
    one_by_one.consider(CANDIDATES[:3])
    for at in range(0, 28, 2):
        one_by_one.observe(POINTS[at : at + 1])
        one_by_one.consider(CANDIDATES[3 + at // 2 : 4 + at // 2])
        one_by_one.observe(POINTS[at + 1 : at + 2])
    one_by_one.observe(POINTS[28:])
    one_by_one.consider(CANDIDATES[17:])
    for ours, theirs in zip(one_by_one.at_candidates(VALUES), at_once.at_candidates(VALUES), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-9)


def test_the_evidence_is_the_density_of_the_values():
    """Up to the constant, and with the variance of the function that makes it largest."""
    covariance = PRIOR.covariance(POINTS, POINTS) + 0.1 * np.eye(30)
    variance = VALUES @ np.linalg.solve(covariance, VALUES) / 30
    density = multivariate_normal(cov=variance * covariance).logpdf(VALUES)
    constant = -15 * (np.log(2 * np.pi) + 1)
    assert PRIOR.log_evidence(POINTS, VALUES) == pytest.approx(density - constant, abs=1e-8)


def test_the_prior_is_the_likeliest_of_all_weightings_lengths_and_noises():
    first, other = np.array([1.0, 1.0, 0, 0]) / 2, np.array([0, 0, 1.0, 1.0]) / 2
    prior = most_likely(POINTS, VALUES, [other, first])
    assert (prior.weights[2:] == 0).all()
    assert (prior.weights[:2] > 0).all()
    assert prior.noise == 0.02
    best = prior.log_evidence(POINTS, VALUES)
    assert all(
        best >= Prior(weights / (2 * length**2), noise).log_evidence(POINTS, VALUES)
        for weights in (first, other)
        for length in LENGTHS
        for noise in (0.02, 0.1, 0.3)
    )
    noise = RNG.normal(size=30)
    assert most_likely(POINTS, noise, [first]).noise == 0.3


def test_constant_values_are_no_trap():
    prior = most_likely(POINTS, np.zeros(30), [np.ones(4)])
    posterior = Posterior(prior, 4)
    posterior.observe(POINTS)
    posterior.consider(CANDIDATES)
    mean, std = posterior.at_candidates(np.zeros(30))
    assert (mean == 0).all()
    assert np.isfinite(std).all()
