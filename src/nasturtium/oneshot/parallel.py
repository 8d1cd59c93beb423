"""One search in several processes, each with its part of every batch.

The processes are those of `torch.distributed`'s default group, which Lightning Fabric's `ddp` strategy makes.
All of them draw the same batches and the same gates; each computes with its own part of the images, and
gradients are averaged before anything is done with them. Without such a group there is one process.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, distributed

from nasturtium.core.errors import UsageError


def processes() -> int:
    """How many work on this search."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def leads() -> bool:
    """Whether this process is the one that writes files."""
    return processes() == 1 or distributed.get_rank() == 0


def wait() -> None:
    """Until all processes are here."""
    if processes() > 1:
        distributed.barrier()


def own_part(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """This process's images of a batch; raises `UsageError` if the parts would not be equally large."""
    count = processes()
    if count == 1:
        return batch
    x, y = batch
    if len(y) % count:
        raise UsageError(f"{count} processes can't share batches of {len(y)}; choose a multiple of {count}")
    rank = distributed.get_rank()
    return x[rank::count], y[rank::count]


def average(tensors: Iterable[Tensor]) -> None:
    """Replace the contents of these tensors by their mean over all processes."""
    tensors = list(tensors)
    if processes() == 1 or not tensors:
        return
    flat = torch.cat([tensor.detach().reshape(-1) for tensor in tensors])  # one message instead of hundreds
    distributed.all_reduce(flat)
    flat /= processes()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.view_as(tensor))
