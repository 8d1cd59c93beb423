"""Batches of random inputs that a network takes: how a blueprint tells what its `forward` wants."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Example = Callable[[int, torch.Generator], tuple[Tensor, ...]]
"""A batch of a given size, as the arguments of `forward`; the first dimension of each is the batch."""


def random_images(shape: Sequence[int]) -> Example:
    """Images B×C×H×W of uniform noise in 0–1; tables of numbers B×F and sequences B×L×F work as well."""
    return lambda batch, generator: (torch.rand(batch, *shape, generator=generator),)


def random_tokens(shape: Sequence[int], vocabulary: int) -> Example:
    """Whole numbers below `vocabulary`, B×L or B×fields, int64."""
    return lambda batch, generator: (torch.randint(vocabulary, (batch, *shape), generator=generator),)
