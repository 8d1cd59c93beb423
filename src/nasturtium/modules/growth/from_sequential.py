"""A plain convolutional network, as people write it, as a network that can grow."""

from collections.abc import Iterator
from copy import deepcopy
from typing import NoReturn, TypeVar

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.growth.growing_network import GrowingNetwork
from nasturtium.space.structure import Block, Structure

Layer = TypeVar("Layer", bound=nn.Module)
Layers = tuple[nn.Conv2d, nn.BatchNorm2d | None]
EXPECTED = (
    "a network can grow if it is Conv2d, BatchNorm2d (or none), ReLU over and over, with a MaxPool2d or"
    " AvgPool2d after some, and at the end AdaptiveAvgPool2d(1), Flatten, Linear"
)


def from_sequential(net: nn.Sequential) -> GrowingNetwork:
    """A network with copies of the weights of `net`, which computes the same in evaluation mode.

    A pooling ends a stage. Convolutions have square odd kernels, stride 1 and the padding that keeps the size
    of the image. One without BatchNorm gets one that changes nothing in evaluation mode. Raises `UsageError`
    naming the layer that does not fit.
    """
    reader = _Reader(net)
    stages: list[list[Layers]] = []
    pools: list[nn.Module] = []
    while stage := list(_blocks(reader)):
        stages.append(stage)
        pool = reader.take(nn.MaxPool2d) or reader.take(nn.AvgPool2d)
        pools.append(deepcopy(pool) if pool is not None else nn.Identity())
        if pool is None:
            break
    if not stages:
        reader.need(nn.Conv2d)
    if reader.need(nn.AdaptiveAvgPool2d).output_size not in (1, (1, 1)):
        reader.refuse("it leaves more than one pixel")
    reader.need(nn.Flatten)
    classifier = reader.need(nn.Linear)
    reader.end()
    return _network(stages, pools, classifier).train(net.training)


def _blocks(reader: "_Reader") -> Iterator[Layers]:
    while (conv := reader.take(nn.Conv2d)) is not None:
        reason = _why_not(conv)
        if reason is not None:
            reader.refuse(reason)
        norm = reader.take(nn.BatchNorm2d)
        if norm is not None and not (norm.affine and norm.track_running_stats):
            reader.refuse("it has no scale and shift, or no running statistics")
        reader.need(nn.ReLU)
        yield conv, norm


def _why_not(conv: nn.Conv2d) -> str | None:
    """Why a convolution can't grow, or None."""
    kernel = conv.kernel_size[0]
    if conv.kernel_size != (kernel, kernel) or kernel % 2 == 0:
        return f"its kernel must be square and odd, not {conv.kernel_size}"
    if conv.stride != (1, 1) or conv.dilation != (1, 1) or conv.groups != 1:
        return "its stride, dilation and groups must be 1"
    if conv.padding not in ("same", (kernel // 2, kernel // 2)) or conv.padding_mode != "zeros":
        return f"it must keep the size of the image: {kernel // 2} zeros of padding for kernel {kernel}"
    return None


def _network(stages: list[list[Layers]], pools: list[nn.Module], classifier: nn.Linear) -> GrowingNetwork:
    structure = Structure(
        tuple(
            tuple(Block(conv.out_channels, (conv.kernel_size[0],)) for conv, _ in stage) for stage in stages
        )
    )
    first = stages[0][0][0]
    with torch.random.fork_rng(devices=[]):  # the first weights are not kept
        net = GrowingNetwork(first.in_channels, classifier.out_features, structure, lambda: pools)
    net.classifier = deepcopy(classifier)
    layers = [pair for stage in stages for pair in stage]
    with torch.no_grad():
        for place, (conv, norm) in zip(structure.places(), layers, strict=True):
            branch = net.block(place).branches()[0]
            branch.conv.weight = nn.Parameter(conv.weight.clone(), conv.weight.requires_grad)
            branch.norm = deepcopy(norm) if norm is not None else branch.norm.to(conv.weight)
            _absorb(branch.norm, conv.bias, fresh=norm is None)
    return net


def _absorb(norm: nn.BatchNorm2d, bias: Tensor | None, *, fresh: bool) -> None:
    """Let a BatchNorm add the bias of the convolution before it; a `fresh` one else changes nothing."""
    assert norm.running_mean is not None
    if fresh:
        norm.weight.fill_((1 + norm.eps) ** 0.5)
        if bias is not None:
            norm.bias.copy_(bias)
    elif bias is not None:
        norm.running_mean -= bias


class _Reader:
    """Goes through the layers of a network one by one."""

    def __init__(self, net: nn.Sequential) -> None:
        self._layers = list(_flat("", net))
        self._at = 0

    def take(self, kind: type[Layer]) -> Layer | None:
        """The next layer if it is of this kind."""
        layer = self._layers[self._at][1] if self._at < len(self._layers) else None
        if not isinstance(layer, kind):
            return None
        self._at += 1
        return layer

    def need(self, kind: type[Layer]) -> Layer:
        """The next layer; raises `UsageError` if it is of another kind."""
        layer = self.take(kind)
        if layer is None:
            self._at += 1
            self.refuse(f"expected {kind.__name__}")
        return layer

    def end(self) -> None:
        """Raise `UsageError` if there is more."""
        if self._at < len(self._layers):
            self._at += 1
            self.refuse("expected the end")

    def refuse(self, reason: str) -> NoReturn:
        """Raise `UsageError` about the layer that was looked at last."""
        if self._at > len(self._layers):
            raise UsageError(f"from_sequential: the network ends too early, {reason}; {EXPECTED}")
        path, layer = self._layers[self._at - 1]
        raise UsageError(f"from_sequential: layer {path!r} is {layer}: {reason}; {EXPECTED}")


def _flat(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The layers of nested containers, without those that do nothing."""
    if isinstance(module, nn.Sequential):
        for name, child in module.named_children():
            yield from _flat(f"{path}.{name}".lstrip("."), child)
    elif not isinstance(module, nn.Identity):
        yield path, module
