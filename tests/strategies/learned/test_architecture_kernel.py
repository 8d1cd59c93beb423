import numpy as np
import pytest
import torch

from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.learned.architecture_kernel import ArchitectureKernel
from space.space_examples import condition, conditional, darts_like, when


def parameters(lengths, *, scale=1.0, rest=()):
    return torch.tensor([*lengths, scale, 0.01, *rest], dtype=torch.double).log()


def between(space, a, b, vector):
    """The covariance of two architectures, given as mappings."""
    kernel = ArchitectureKernel(space, np.random.default_rng(0))
    rows = kernel.rows([space.validate(a), space.validate(b)])
    return kernel(rows[:1], rows[1:], vector).item()


def test_each_decision_has_its_own_length():
    space = SearchSpace([Decision("a", ("x", "y", "z")), Decision("b", (1, 2))])
    vector = parameters([2.0, 5.0], scale=3.0)
    pairs = {("x", 1): 0.0, ("y", 1): 1 / 2, ("z", 1): 1 / 2, ("x", 2): 1 / 5, ("y", 2): 1 / 2 + 1 / 5}
    for (a, b), distance in pairs.items():
        found = between(space, {"a": "x", "b": 1}, {"a": a, "b": b}, vector)
        assert found == pytest.approx(3 * np.exp(-distance), rel=1e-12)


def test_of_k_of_n_the_share_of_exchanged_members_counts():
    space = SearchSpace([Decision("inputs", (0, 1, 2, 3), k=2)])
    for other, distance in {(0, 1): 0.0, (0, 2): 0.5, (2, 3): 1.0}.items():
        found = between(space, {"inputs": (0, 1)}, {"inputs": other}, parameters([1.0]))
        assert found == pytest.approx(np.exp(-distance), rel=1e-12)


def test_a_decision_that_one_lacks_counts_half():
    space = SearchSpace(
        [Decision("on", ("yes", "no")), Decision("size", (1, 2))], {"size": condition([when("on", "yes")])}
    )
    found = between(space, {"on": "no"}, {"on": "yes", "size": 2}, parameters([4.0, 1.0]))
    assert found == pytest.approx(np.exp(-1 / 4 - 1 / 2), rel=1e-12)


def cells():
    """One edge after the other, each with one of three operations or nothing."""
    ops = ("none", "skip_connect", "conv", "pool")
    names = ["cell/1<-0", "cell/2<-0", "cell/2<-1"]
    return SearchSpace([Decision(name, ops) for name in names])


def test_cells_that_compute_the_same_are_alike_whatever_they_decide():
    """Both are one convolution from the input to the output; what else they decide is cut off."""
    space = cells()
    assert space.layout.cells, "the names tell a cell"
    a = {"cell/1<-0": "none", "cell/2<-0": "conv", "cell/2<-1": "skip_connect"}
    b = {"cell/1<-0": "conv", "cell/2<-0": "conv", "cell/2<-1": "none"}
    c = {"cell/1<-0": "pool", "cell/2<-0": "pool", "cell/2<-1": "pool"}
    far = [1e-3] * 3  # so that the first term is nothing for any two that differ
    vector = parameters(far, scale=1.0, rest=(1.0, 1.0))
    near, apart = (between(space, a, other, vector) for other in (b, c))
    assert near > 2 * apart
    assert between(space, a, a, vector) == pytest.approx(2.0)


@pytest.mark.parametrize("make", [conditional, darts_like, cells])
def test_it_is_a_covariance(make):
    space, rng = make(), np.random.default_rng(0)
    kernel = ArchitectureKernel(space, rng)
    rows = kernel.rows([space.sample(rng) for _ in range(60)])
    for _ in range(3):
        vector = torch.from_numpy(kernel.prior + kernel.spread * rng.normal(size=len(kernel.prior)))
        matrix = kernel(rows, rows, vector)
        assert torch.allclose(matrix, matrix.T)
        assert torch.linalg.eigvalsh(matrix).min() > -1e-9
    assert torch.allclose(kernel(rows[None, :5], rows, vector)[0], matrix[:5])
