"""Channels in the order of their importance, so that narrower sub-networks keep those that matter most
(Cai et al. 2020, https://arxiv.org/abs/1908.09791).

Sorted are the widths that are hidden in a block (see `derived`), such as those of inverted residual blocks,
of squeeze-and-excitation and of MLPs. Left alone are widths of a residual stream, and those of attention,
whose channels belong to heads.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.dims import Derived, evaluate
from nasturtium.modules.elastic.base import Axis, ElasticLayer
from nasturtium.space.search_space import SearchSpace


def sort_channels(net: nn.Module, trained: SearchSpace) -> None:
    """Sort the hidden channels of `net`, a network with choices, in place, most important first.

    The importance of a channel is the L1 norm of the weights that read it, in all layers that do (the authors
    take the last layer of a block alone). Only channels that every architecture of `trained`, a restriction
    of the network's space, has are sorted; so each of these architectures computes what it did before.
    Optimisers must be made afterwards, since their momenta are in the old order. Raises `UsageError` for a
    layer whose width is called hidden but whose channels have places.
    """
    for size, axes in _hidden(net).items():
        sorted_ = _importance(axes)[: _narrowest(size, trained)].argsort(descending=True, stable=True)
        with torch.no_grad():
            for axis in axes:
                first = axis.tensor.narrow(axis.dimension, 0, len(sorted_))
                first.copy_(first.index_select(axis.dimension, sorted_))


def _hidden(net: nn.Module) -> dict[Derived, list[Axis]]:
    """The axes of each hidden size, every one once even where layers share weights."""
    found: dict[Derived, dict[tuple[int, int], Axis]] = {}
    for layer in net.modules():
        if not isinstance(layer, ElasticLayer):
            continue
        axes = list(layer.axes())
        for size in layer.sizes:
            if not isinstance(size, Derived) or not size.hidden:
                continue
            mine = {(id(axis.tensor), axis.dimension): axis for axis in axes if axis.size == size}
            if not mine:
                names = ", ".join(repr(dim.name) for dim in size.dims)
                raise UsageError(
                    f"{type(layer).__name__} has a hidden size of {names}, but its channels can't be put in"
                    " another order; leave out hidden=True where that size is derived"
                )
            found.setdefault(size, {}).update(mine)
    return {size: list(axes.values()) for size, axes in found.items()}


def _importance(axes: Sequence[Axis]) -> Tensor:
    """One number per channel."""
    length = axes[0].tensor.shape[axes[0].dimension]
    total = torch.zeros(length, device=axes[0].tensor.device)
    for axis in axes:
        if axis.reads:
            total += axis.tensor.detach().float().abs().transpose(0, axis.dimension).flatten(1).sum(1)
    return total


def _narrowest(size: Derived, space: SearchSpace) -> int:
    """The least that a size can be in `space`."""
    options = (space.decisions[dim.name].options for dim in size.dims)
    return min(
        evaluate(size, dict(zip(size.dims, values, strict=True)).__getitem__)  # type: ignore[arg-type]
        for values in itertools.product(*options)
    )
