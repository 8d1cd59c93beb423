import numpy as np
import pytest
from scipy.special import ndtri

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.features import REFERENCE, Features
from nasturtium.tables.nasbench201 import SPACE

FLAT = SearchSpace([Decision("width", (8, 16, 32), ordered=True), Decision("op", ("conv", "pool"))])


def features(space, hints=None) -> Features:
    problem = Problem(space, (Objective("loss", "min"),), (Fidelity(1),), hints=hints)
    return Features(problem, np.random.default_rng(0))


def width(archs) -> np.ndarray:
    return np.array([[float(arch["width"]), 1.0] for arch in archs])


def test_random_architectures_have_features_of_mean_zero_and_variance_one():
    made = features(SPACE)
    rng = np.random.default_rng(1)
    x = made.of([SPACE.sample(rng) for _ in range(2000)])
    varies = x.std(axis=0) > 0
    assert x.shape[1] == SPACE.encode([], "graph-features").shape[1] + 30
    assert np.abs(x.mean(axis=0)).max() < 0.2
    assert x[:, varies].std(axis=0) == pytest.approx(1, abs=0.25)


def test_cells_and_decisions_are_weighed_by_themselves():
    cells, decisions = features(SPACE).weightings
    at = SPACE.encode([], "graph-features").shape[1]
    for weights, here, elsewhere in (
        (cells, slice(0, at), slice(at, None)),
        (decisions, slice(at, None), slice(0, at)),
    ):
        assert weights[here].sum() == pytest.approx(1)
        assert (weights[elsewhere] == 0).all()


def test_hints_are_normal_scores_and_may_count_or_not():
    made = features(FLAT, width)
    archs = sorted(FLAT.enumerate(), key=lambda arch: arch["width"])
    hint, constant = made.of(archs).T[-2:]
    assert hint[0] == hint[1] < hint[2] == hint[3] < hint[4]
    assert (constant == 0).all()
    without, with_ = made.weightings
    assert (without[-2:] == 0).all()
    assert with_[-2:].tolist() == [1.0, 0.0]
    outliers = features(FLAT, lambda archs: 10 ** width(archs))
    assert outliers.of(archs) == pytest.approx(made.of(archs))  # only the order counts


def test_normal_scores_by_hand():
    """A third of the reference is below the middle width and a third is equal to it."""
    rng = np.random.default_rng(0)
    drawn = [FLAT.sample(rng)["width"] for _ in range(REFERENCE)]
    smaller, equal = drawn.count(8), drawn.count(16)
    raw = {
        w: ndtri((below + 0.5) / (REFERENCE + 1))
        for w, below in ((8, smaller / 2), (16, smaller + equal / 2))
    }
    made = features(FLAT, width)
    archs = {arch["width"]: arch for arch in FLAT.enumerate()}
    hint = made.of([archs[8], archs[16]])[:, -2]
    reference = np.array(
        [raw.get(w, ndtri((REFERENCE - drawn.count(32) / 2 + 0.5) / (REFERENCE + 1))) for w in drawn]
    )
    assert hint[1] - hint[0] == pytest.approx((raw[16] - raw[8]) / reference.std())


@pytest.mark.parametrize(
    ("hints", "why"),
    [
        (lambda archs: np.ones(len(archs)), r"shape \(500,\)"),
        (lambda archs: np.ones((2, 3)), r"shape \(2, 3\)"),
        (lambda archs: np.full((len(archs), 1), np.nan), "NaN or infinity"),
    ],
)
def test_hints_that_are_no_rows_of_numbers_are_refused(hints, why):
    with pytest.raises(UsageError, match=why):
        features(FLAT, hints)
