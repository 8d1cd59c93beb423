"""What trials are worth, for models that learn from them."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from nasturtium.problem.records import Trial


def scores(trials: Sequence[Trial], objectives: int) -> np.ndarray:
    """What each trial is worth in each objective, trials × objectives, more is better.

    These are normal scores: the rank of n, from best to worst, as the quantile (rank − ½) / n of a standard
    normal distribution, negated; equals share theirs. So neither outliers nor the shape of the losses'
    distribution matter, and trials over a limit follow all others, by their violation.
    """
    from scipy.stats import rankdata  # half a second, which nobody waits for who does not search

    within = np.array([trial.status == "ok" for trial in trials])
    ranks = np.empty((len(trials), objectives))
    if within.any():
        ranks[within] = rankdata([trial.losses for trial in trials if trial.status == "ok"], axis=0)
    if not within.all():
        over = rankdata([trial.violation for trial in trials if trial.status != "ok"])
        ranks[~within] = within.sum() + over[:, None]
    values: np.ndarray = -ndtri((ranks - 0.5) / len(trials))
    return values
