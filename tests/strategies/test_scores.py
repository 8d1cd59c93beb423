import numpy as np
import pytest
from scipy.stats import norm

from nasturtium.problem.records import Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.strategies.scores import scores


def told(losses=(), violation=0.0):
    proposal = Proposal(Architecture({}))
    return Trial(0, proposal, "infeasible" if violation else "ok", losses, violation=violation)


def test_scores_are_normal_quantiles_of_ranks_with_those_over_a_limit_last():
    trials = [told((3.0,)), told(violation=0.5), told((-1e9,)), told(violation=0.1), told((3.0,))]
    found = scores(trials, 1)[:, 0]
    quantiles = np.array([2.5, 5, 1, 4, 2.5]) - 0.5  # the equals share theirs
    assert found == pytest.approx(-norm.ppf(quantiles / 5), abs=1e-12)


def test_each_objective_has_its_scores():
    found = scores([told((1.0, 9.0)), told((2.0, 8.0)), told(violation=1.0)], 2)
    ranks = np.array([[1, 2], [2, 1], [3, 3]]) - 0.5
    assert found == pytest.approx(-norm.ppf(ranks / 3), abs=1e-12)
    alone = scores([told(violation=1.0), told(violation=2.0)], 2)
    assert (alone[0] > alone[1]).all()
