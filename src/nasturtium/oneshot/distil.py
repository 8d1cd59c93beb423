"""Paths of a supernet that learn from soft labels."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.training.evaluate import split_output


@dataclass(frozen=True)
class Distillation:
    """Paths learn the probabilities that a teacher gives to the classes of the same batch.

    Without a `teacher` an update's first path learns from the labels and teaches the others (in-place
    distillation, Yu et al. 2020, https://arxiv.org/abs/2003.11142). A `teacher`, a network whose weights stay
    as they are, teaches every path (Cai et al. 2020, https://arxiv.org/abs/1908.09791). The loss of a path
    that is taught is its cross-entropy with the soft labels, and `labels` times that with the labels.
    """

    teacher: nn.Module | None = None
    labels: float = 0.0

    def soft_labels(self, x: Tensor) -> Tensor | None:
        """B×classes probabilities for a batch by the fixed teacher; None if a path is to teach."""
        if self.teacher is None:
            return None
        with torch.no_grad():
            return probabilities(split_output(self.teacher.eval()(x))[0])

    def loss(self, logits: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
        """What a path minimises; `soft` None: it is not taught."""
        hard = F.cross_entropy(logits, y)
        return hard if soft is None else F.cross_entropy(logits, soft) + self.labels * hard


def probabilities(logits: Tensor) -> Tensor:
    """Soft labels from what a teacher answers, without a gradient."""
    return logits.detach().float().softmax(dim=1)
