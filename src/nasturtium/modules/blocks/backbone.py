"""An image network without its classifier, as the backbone of another: its features at several resolutions.

A network that is an `nn.Sequential` shows the output of each of its children. Any other has a method
`as_backbone()` that returns a module with the network's own layers, which maps images to the list of all
features, first to last.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.space.architecture import Architecture

LOOKS = 4  # architectures that are looked at, to see whether features have the same channels in all
SIDE = 512  # of the images they are shown; so large that pooling to one pixel is no halving


@runtime_checkable
class ShowsFeatures(Protocol):
    """A network that is no `nn.Sequential` but can be a backbone."""

    def as_backbone(self) -> nn.Module:
        """The network without its classifier: images to the list of all features."""


class Outputs(nn.Module):
    """Layers one after the other."""

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The output of every layer."""
        outputs = []
        for layer in self.layers:
            x = layer(x)
            outputs.append(x)
        return outputs


class PairedOutputs(nn.Module):
    """Two stems, and cells that are fed by the two outputs before them."""

    def __init__(self, stem0: nn.Module, stem1: nn.Module, cells: Iterable[nn.Module]) -> None:
        super().__init__()
        self.stem0, self.stem1 = stem0, stem1
        self.cells = nn.ModuleList(cells)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """What the stems and every cell give."""
        outputs = [self.stem0(x_BCHW)]
        outputs.append(self.stem1(outputs[0]))
        for cell in self.cells:
            outputs.append(cell(outputs[-2], outputs[-1]))
        return outputs


class Backbone(nn.Module):
    """The features of `network` at the positions `taps`, in rising order."""

    def __init__(self, network: nn.Module, taps: Sequence[int]) -> None:
        super().__init__()
        body = all_features(network)
        self.body = Outputs(body.layers[: taps[-1] + 1]) if isinstance(body, Outputs) else body
        self.taps = tuple(taps)

    def forward(self, x_BCHW: Tensor) -> list[Tensor]:
        """Images → one tensor per tap."""
        features = self.body(x_BCHW)
        return [features[i] for i in self.taps]


@dataclass(frozen=True)
class Feature:
    """Features at a position among all of a network: 2^`level` is their stride."""

    position: int
    level: int
    channels: int


def all_features(network: nn.Module) -> nn.Module:
    """The module that gives all features of `network`; raises `UsageError` for one that can't show them."""
    if isinstance(network, ShowsFeatures):
        return network.as_backbone()
    if isinstance(network, nn.Sequential):
        return Outputs(network)
    raise UsageError(
        f"{type(network).__name__} can't be a backbone: it is no nn.Sequential; give it a method"
        " as_backbone() that returns a module from images to the list of its features"
    )


def levels_of(blueprint: Blueprint, input_channels: int, arch: Architecture | None = None) -> list[Feature]:
    """The last features at each stride, fine to coarse, of all networks of `blueprint`, or of that of `arch`.

    Raises `UsageError` if the network takes no images or shows no features, or if their channels are
    decisions.
    """
    rng, found = np.random.default_rng(0), None
    for _ in range(LOOKS if arch is None else 1):
        with torch.device("meta"):
            network = blueprint.build(arch or blueprint.space.sample(rng), seed=0).eval()
            shapes = _shapes(network, input_channels)
        seen = _last_of_each_level(shapes)
        if not seen:
            raise UsageError(
                f"{type(network).__name__} can't be a backbone: its features are no images whose size is that"
                " of the input, halved from time to time"
            )
        if found is not None and found != seen:
            raise UsageError(
                f"{type(network).__name__} can't be a backbone: the channels of its features are decisions"
                f" (met {_spell(found)} and {_spell(seen)}); fix the backbone's architecture"
            )
        found = seen
    assert found is not None
    return found


def _shapes(network: nn.Module, channels: int) -> list[tuple[int, ...]]:
    body = all_features(network)
    try:
        return [tuple(x.shape) for x in body(torch.empty(1, channels, SIDE, SIDE))]
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{type(network).__name__} can't be a backbone: it does not take images of"
            f" {channels}×{SIDE}×{SIDE} ({error})"
        ) from error


def _last_of_each_level(shapes: Sequence[tuple[int, ...]]) -> list[Feature]:
    found: dict[int, Feature] = {}
    level = 0
    for position, shape in enumerate(shapes):
        if len(shape) != 4:
            break
        size = SIDE >> level
        if shape[2:] not in ((size, size), (size // 2, size // 2), (size // 4, size // 4)):
            break
        while shape[2] < SIDE >> level:
            level += 1
        found[level] = Feature(position, level, shape[1])
    return list(found.values())


def _spell(features: Sequence[Feature]) -> str:
    return ", ".join(f"{feature.channels} at stride {2**feature.level}" for feature in features)
