"""Against integrals that are computed otherwise."""

import moocore
import numpy as np
import pytest
import torch
from scipy import integrate, stats

pytest.importorskip("botorch")

from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.learned import acquisition
from nasturtium.strategies.learned.acquisition import Acquisition
from nasturtium.strategies.learned.architecture_kernel import ArchitectureKernel
from nasturtium.strategies.learned.gaussian_process import GaussianProcess

SPACE = SearchSpace([Decision(f"d{i}", tuple("abcd")) for i in range(4)])
KERNEL = ArchitectureKernel(SPACE, np.random.default_rng(0))
REFERENCE = torch.tensor([-2.0, -2.0], dtype=torch.double)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return KERNEL.rows([SPACE.sample(rng) for _ in range(n)])


TOLD, NEW, PENDING = rows(8, 0), rows(6, 1), rows(2, 2)


def process(seed):
    made = GaussianProcess(KERNEL)
    made.add(TOLD)
    made.observe(torch.from_numpy(np.random.default_rng(seed).normal(size=len(TOLD))))
    return made


def test_without_pending_rows_it_is_the_closed_form():
    """E max(f − best, 0) = σ (φ(z) + z Φ(z)), z = (μ − best) / σ, and the integral that this solves."""
    one = process(0)
    found = Acquisition([one], TOLD, PENDING[:0], REFERENCE[:1], seed=0)(NEW)
    best = one.predict(TOLD[:, None])[0].max().item()
    for row, worth in zip(NEW, found, strict=True):
        mean, variance = (part.item() for part in one.predict(row[None]))
        deviation = variance**0.5
        z = (mean - best) / deviation
        closed = deviation * (stats.norm.pdf(z) + z * stats.norm.cdf(z))
        assert worth == pytest.approx(np.log(closed), abs=1e-6)
        density = stats.norm(mean, deviation).pdf
        integral = integrate.quad(lambda f, p=density: (f - best) * p(f), best, mean + 12 * deviation)[0]
        assert np.exp(worth) == pytest.approx(integral, rel=1e-6)


def draws(processes, x, number):
    """Values of the function at told, pending and new rows, number × rows × objectives."""
    rng, everything = np.random.default_rng(0), torch.cat([TOLD, PENDING, x])
    parts = (one.predict(everything) for one in processes)
    return np.stack([rng.multivariate_normal(m.numpy(), c.numpy(), size=number) for m, c in parts], axis=2)


def test_with_pending_rows_it_is_the_mean_over_what_they_may_be(monkeypatch):
    monkeypatch.setattr(acquisition, "DRAWS", 4096)
    one = process(0)
    found = Acquisition([one], TOLD, PENDING, REFERENCE[:1], seed=0)(NEW)
    values = draws([one], NEW, 200_000)[:, :, 0]
    known = len(TOLD) + len(PENDING)
    gains = np.maximum(values[:, known:] - values[:, :known].max(axis=1, keepdims=True), 0).mean(axis=0)
    assert np.exp(found) == pytest.approx(gains, rel=0.1)
    alone = Acquisition([one], TOLD, PENDING[:0], REFERENCE[:1], seed=0)(PENDING)
    known_soon = Acquisition([one], TOLD, PENDING, REFERENCE[:1], seed=0)(PENDING)
    assert (known_soon < alone - 1).all(), "what is running already promises nothing more"


def test_with_two_objectives_it_is_the_expected_hypervolume(monkeypatch):
    monkeypatch.setattr(acquisition, "DRAWS", 512)
    both = [process(0), process(1)]
    found = Acquisition(both, TOLD, PENDING, REFERENCE, seed=0)(NEW)
    values, known = draws(both, NEW, 1000), len(TOLD) + len(PENDING)

    def volume(points):
        return moocore.hypervolume(-points, ref=-REFERENCE.numpy())

    before = np.array([volume(v[:known]) for v in values])
    gains = [
        np.mean([volume(v[[*range(known), known + i]]) for v in values] - before) for i in range(len(NEW))
    ]
    assert np.exp(found) == pytest.approx(np.array(gains), rel=0.2)


def test_it_leaves_the_worlds_random_numbers_alone_and_repeats():
    before = torch.get_rng_state()
    both = [process(0), process(1)]
    one, other = (Acquisition(both, TOLD, PENDING, REFERENCE, seed=3)(NEW) for _ in range(2))
    assert (one == other).all()
    assert torch.equal(torch.get_rng_state(), before)
