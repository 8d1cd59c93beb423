import numpy as np
import pytest
import torch
from scipy import stats

from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.learned.architecture_kernel import ArchitectureKernel
from nasturtium.strategies.learned.gaussian_process import JITTER, GaussianProcess

SPACE = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(4)])
KERNEL = ArchitectureKernel(SPACE, np.random.default_rng(0))


def data(n, seed=0):
    """Rows, and values of which only the first decision and noise matter."""
    rng = np.random.default_rng(seed)
    archs = [SPACE.sample(rng) for _ in range(n)]
    values = [float("abcd".index(arch["d0"])) - 1.5 + 0.1 * rng.normal() for arch in archs]
    return KERNEL.rows(archs), torch.tensor(values, dtype=torch.double)


def noisy(process, x):
    noise = KERNEL.noise(process.parameters) + JITTER
    return KERNEL(x, x, process.parameters) + noise * torch.eye(len(x))


def test_the_prediction_is_the_conditional_normal():
    x, y = data(20)
    new, _ = data(5, seed=1)
    process = GaussianProcess(KERNEL)
    process.add(x)
    process.observe(y)
    mean, covariance = process.predict(new)
    inverse, across = noisy(process, x).inverse(), KERNEL(new, x, process.parameters)
    assert torch.allclose(mean, across @ inverse @ y, atol=1e-10)
    expected = KERNEL(new, new, process.parameters) - across @ inverse @ across.T + JITTER * torch.eye(5)
    assert torch.allclose(covariance, expected, atol=1e-10)
    one_by_one = process.predict(new[:, None])
    assert torch.allclose(one_by_one[0][:, 0], mean)
    assert torch.allclose(one_by_one[1][:, 0, 0], covariance.diagonal())


def test_rows_that_come_later_change_nothing():
    x, y = data(20)
    new, _ = data(5, seed=1)
    at_once, in_parts = GaussianProcess(KERNEL), GaussianProcess(KERNEL)
    at_once.add(x)
    for part in (x[:7], x[7:8], x[8:]):
        in_parts.add(part)
    for process in (at_once, in_parts):
        process.observe(y)
    for one, other in zip(at_once.predict(new), in_parts.predict(new), strict=True):
        assert torch.allclose(one, other, atol=1e-10)


def test_the_loss_is_the_negative_log_posterior():
    x, y = data(15)
    process = GaussianProcess(KERNEL)
    process.add(x)
    process.observe(y)
    at = torch.from_numpy(KERNEL.prior + 0.3 * KERNEL.spread)
    process.parameters = at
    likelihood = stats.multivariate_normal(cov=noisy(process, x).numpy()).logpdf(y.numpy())
    prior = -0.5 * len(at) * 0.3**2
    assert process.loss(at).item() == pytest.approx(-likelihood - prior, rel=1e-10)


def test_fitting_finds_which_decision_matters():
    x, y = data(40)
    process = GaussianProcess(KERNEL)
    process.add(x)
    process.observe(y)
    before = process.loss(process.parameters).item()
    process.fit()
    assert process.loss(process.parameters).item() < before - 1
    lengths = process.parameters[:4]
    assert lengths[0] + 1 < lengths[1:].min()
    new, values = data(200, seed=2)
    assert (process.predict(new[:, None])[0][:, 0] - values).square().mean() < 0.1 * values.var()
