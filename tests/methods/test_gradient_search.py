import pytest
import torch
from tiny_task import task_of
from torch import Tensor

from nasturtium.core.errors import UsageError
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


def test_path_dropout_is_refused_where_options_never_run_together() -> None:
    task = task_of("nasbench201", {"channels": 2, "cells": 1}, path_dropout=0.1)
    with pytest.raises(UsageError, match="First never runs several options"):
        GradientSearch(task, First(), FirstOrder())
    GradientSearch(task_of("nasbench201", {"channels": 2, "cells": 1}), First(), FirstOrder())
