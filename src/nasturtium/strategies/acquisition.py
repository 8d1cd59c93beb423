"""How promising a candidate is, given the mean and the standard deviation of its predicted loss.

Arrays have one value per candidate. Where a standard deviation is 0 the prediction is taken as certain.
"""

import numpy as np
from scipy.special import log_ndtr, ndtr


def expected_improvement(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """E max(best − Y, 0) for a normal Y, by how much a loss is expected to fall below `best`; the larger the
    more promising (Jones et al. 1998, https://doi.org/10.1023/A:1008306431147, equation 15).
    """
    gain = best - mean
    spread = np.where(std > 0, std, 1.0)
    with np.errstate(over="ignore"):
        z = np.clip(gain / spread, -40, 40)  # beyond these the density is 0 and the probability 0 or 1
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    improvement = np.where(std > 0, gain * ndtr(z) + spread * density, gain)
    return np.asarray(np.maximum(improvement, 0.0))


def expected_improvement_of_log(mean: np.ndarray, std: np.ndarray, best: float) -> np.ndarray:
    """E max(exp(best) − exp(Y), 0) for a normal Y, what a loss improves whose logarithm is predicted (Hutter
    et al. 2011, https://doi.org/10.1007/978-3-642-25566-3_40); `best` is a logarithm too.
    """
    spread = np.where(std > 0, std, 1.0)
    with np.errstate(over="ignore"):
        z = np.clip((best - mean) / spread, -40, 40)
    below = np.exp(best) * ndtr(z) - np.exp(mean + spread**2 / 2 + log_ndtr(z - spread))
    return np.asarray(np.maximum(np.where(std > 0, below, np.exp(best) - np.exp(mean)), 0.0))


def lower_bound(mean: np.ndarray, std: np.ndarray, weight: float) -> np.ndarray:
    """The lower confidence bound mean − weight · std; the smaller the more promising (Srinivas et al. 2010,
    https://arxiv.org/abs/0912.3995, there the upper one of a gain).
    """
    return mean - weight * std


def thompson(mean: np.ndarray, std: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A loss drawn for each candidate by itself, independent Thompson sampling; the smaller the more
    promising (White et al. 2021, https://arxiv.org/abs/1910.11858).
    """
    return rng.normal(mean, std)
