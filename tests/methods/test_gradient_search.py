import pytest
import torch
from tiny_task import task_of
from torch import Tensor

from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.modules.choice import Gate
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.space.decision import Decision


class First(Relaxation):
    """Runs one option, with a weight that learns."""

    def alpha(self, decision: Decision, n: int, generator: torch.Generator) -> Tensor | None:
        return torch.zeros(n)

    def gate(self, decision: Decision, alpha: Tensor | None) -> Gate:
        assert alpha is not None
        return Gate((0,), alpha.softmax(0)[:1])

    def probabilities(self, decision: Decision, alpha: Tensor) -> Tensor:
        return alpha.softmax(0)


SIZES = {"channels": 2, "cells": 1}


def test_path_dropout_is_refused_where_options_never_run_together() -> None:
    task = task_of("nasbench201", SIZES, path_dropout=0.1)
    with pytest.raises(UsageError, match="First never runs several options"):
        GradientSearch(task, First(), FirstOrder())
    GradientSearch(task_of("nasbench201", SIZES), First(), FirstOrder())


@pytest.mark.parametrize("method", ["drnas", "proxylessnas-rl"])
def test_a_curvature_that_does_not_exist_is_refused(method: str) -> None:
    with pytest.raises(UsageError, match="every: with (Dirichlet|Policy) a loss has no second"):
        METHODS.get(method)(task_of("nasbench201", SIZES, eigenvalue_every=1))
    METHODS.get(method)(task_of("nasbench201", SIZES, eigenvalue_every=0))
