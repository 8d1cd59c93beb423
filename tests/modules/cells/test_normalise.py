"""BatchNorm that remembers its output against torch's."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nasturtium.modules.cells.normalise import normalise

EPS = 0.1  # large, so that forgetting it shows


def image(dtype: torch.dtype = torch.float64) -> Tensor:
    x = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0), dtype=dtype) * 0.5 + 2
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


@pytest.mark.parametrize("graph", [True, False])
def test_output_statistics_and_gradients_are_those_of_batch_norm(graph: bool) -> None:
    results = []
    for run in (normalise, lambda x, m, v, *rest: F.batch_norm(x, m, v, None, None, True, *rest)):
        x, mean, var = image(), torch.full((4,), 0.3).double(), torch.full((4,), 0.6).double()
        y = run(x, mean, var, 0.2, EPS)
        (first,) = torch.autograd.grad((y.pow(3) + y.sin()).sum(), x, create_graph=graph)
        second = torch.autograd.grad(first.pow(3).sum(), x) if graph else ()
        results.append([y, mean, var, first, *second])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_second_derivatives_are_those_of_differences() -> None:
    assert torch.autograd.gradgradcheck(
        lambda x: normalise(x, torch.zeros(4).double(), torch.ones(4).double(), 0.1, EPS), image()
    )


def test_only_the_output_is_kept() -> None:
    kept: list[Tensor] = []
    x = image()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t), t)[1], lambda t: t):
        y = normalise(x, torch.zeros(4).double(), torch.ones(4).double(), 0.1, EPS)
    assert [t.shape for t in kept if t.dim() > 1] == [y.shape]
    assert all(t.data_ptr() != x.data_ptr() for t in kept)
