"""Batches of random inputs that a network takes: how a blueprint tells what its `forward` wants."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Example = Callable[[int, torch.Generator], tuple[Tensor, ...]]
"""A random batch of a given size, as the arguments of `forward`."""


Inputs = Callable[[int], tuple[Tensor, ...]]
"""The same without chance: the batch of a given size, always the same one."""


def fixed(example: Example, seed: int = 0) -> Inputs:
    """`example` with its chance taken out."""
    return lambda batch: example(batch, torch.Generator().manual_seed(seed))


def random_images(shape: Sequence[int]) -> Example:
    """Images B×C×H×W of uniform noise in 0–1; tables of numbers B×F and sequences B×L×F work as well."""
    return lambda batch, generator: (torch.rand(batch, *shape, generator=generator),)


def random_tokens(shape: Sequence[int], vocabulary: int) -> Example:
    """Whole numbers below `vocabulary`, B×L or B×F, int64."""
    return lambda batch, generator: (torch.randint(vocabulary, (batch, *shape), generator=generator),)
