"""Merging cells: which two of the features so far are brought to one resolution and merged, and how.

The feature pyramids of NAS-FPN (Ghiasi et al. 2019, https://arxiv.org/abs/1904.07392). Resolutions are
levels, each half as fine as the one before; all features have the same number of channels.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.choice import Choice
from nasturtium.modules.ops import ReLUConvBN
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, Value, members

MERGES = ("sum", "attention")


@dataclass(frozen=True)
class Merge:
    """One merging cell: the features at positions `inputs` are brought to `level` and merged by `op`.

    `unused` are earlier features of that level that nothing has used, which an output adds.
    """

    level: int
    op: str
    inputs: tuple[int, int]
    unused: tuple[int, ...] = ()


class MergingCells(Choice):
    """`free` merging cells of any level, and one for each of `levels`, which gives the new pyramid.

    Cell `i` decides `<name>/cell<i>/inputs` and `<name>/cell<i>/op`, the free ones `<name>/cell<i>/level`;
    `<name>/order` is the order in which the levels of the new pyramid are made. After merging come ReLU, a
    3×3 convolution and BatchNorm, whose weights do not depend on what is merged.
    """

    runs_mixtures = False

    def __init__(self, name: str, channels: int, levels: Sequence[int], *, free: int) -> None:
        super().__init__()
        self.name, self.levels, self.free = name, tuple(levels), free
        self.convs = nn.ModuleList(ReLUConvBN(channels, channels, 3) for _ in range(free + len(levels)))

    def decisions(self) -> tuple[Decision, ...]:
        """Cell by cell, then the order."""
        found = []
        for i in range(len(self.convs)):
            states = tuple(range(len(self.levels) + i))
            found.append(Decision(f"{self.name}/cell{i + 1}/inputs", states, k=2))
            found.append(Decision(f"{self.name}/cell{i + 1}/op", MERGES))
            if i < self.free:
                found.append(Decision(f"{self.name}/cell{i + 1}/level", self.levels, ordered=True))
        return (*found, Decision(f"{self.name}/order", orders(self.levels)))

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """All convolutions."""
        for conv in self.convs:
            yield None, conv

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The cells, wired as chosen."""
        merges = merges_of(arch, self.name, self.levels, self.free)
        return Merged(self.levels, merges, [inner(conv) for conv in self.convs])

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """One tensor per level, all with the same channels, each half as large → the same of the outputs."""
        return run(
            merges_of(self.values(self.decisions()), self.name, self.levels, self.free),
            self.levels,
            self.convs,
            features,
        )


class Merged(nn.Module):
    """Merging cells with fixed wiring."""

    def __init__(self, levels: Sequence[int], merges: Sequence[Merge], convs: Sequence[nn.Module]) -> None:
        super().__init__()
        self.levels, self.merges = tuple(levels), tuple(merges)
        self.convs = nn.ModuleList(convs)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """One tensor per level → the same of the outputs."""
        return run(self.merges, self.levels, self.convs, features)


def run(
    merges: Sequence[Merge], levels: Sequence[int], convs: Iterable[nn.Module], features: Sequence[Tensor]
) -> list[Tensor]:
    """The new pyramid, in the order of `levels`."""
    states = [features[i] for i in range(len(levels))]
    at = list(levels)
    for merge, conv in zip(merges, convs, strict=True):
        like = states[levels.index(merge.level)]
        first, second = (resample(states[i], merge.level - at[i], like) for i in coarser_first(merge, at))
        y = first + second if merge.op == "sum" else attend(first, second)
        for i in merge.unused:
            y = y + states[i]
        states.append(conv(y))
        at.append(merge.level)
    made = dict(zip(at[-len(levels) :], states[-len(levels) :], strict=True))
    return [made[level] for level in levels]


def coarser_first(merge: Merge, levels: Sequence[int]) -> tuple[int, int]:
    """The inputs of a merging cell, the coarser one first; `levels` are those of all features."""
    first, second = merge.inputs
    return (first, second) if levels[first] >= levels[second] else (second, first)


def resample(x_BCHW: Tensor, steps: int, like: Tensor) -> Tensor:
    """`steps` levels coarser by max pooling; finer, if negative, by nearest pixels to the size of `like`."""
    if steps > 0:
        return F.max_pool2d(x_BCHW, 2**steps, ceil_mode=True)
    return F.interpolate(x_BCHW, size=like.shape[-2:], mode="nearest") if steps < 0 else x_BCHW


def attend(coarse_BCHW: Tensor, fine_BCHW: Tensor) -> Tensor:
    """The coarser features plus the finer ones, weighted by the largest value in each coarser channel."""
    weight = torch.sigmoid(F.adaptive_max_pool2d(coarse_BCHW, 1))
    return coarse_BCHW + fine_BCHW * weight


def orders(levels: Sequence[int]) -> tuple[str, ...]:
    """Every order of the levels, such as `3-4-5-7-6`."""
    return tuple("-".join(map(str, order)) for order in itertools.permutations(levels))


def merges_of(values: Mapping[str, Value], name: str, levels: Sequence[int], free: int) -> list[Merge]:
    """The merging cells `name` as they were chosen."""
    at, used = list(levels), set[int]()
    order = [int(level) for level in str(values[f"{name}/order"]).split("-")]
    merges = []
    for i in range(free + len(levels)):
        first, second = (int(j) for j in members(values[f"{name}/cell{i + 1}/inputs"]))
        used |= {first, second}
        level = int(members(values[f"{name}/cell{i + 1}/level"])[0]) if i < free else order[i - free]
        left = [j for j, other in enumerate(at) if other == level and j not in used] if i >= free else []
        used |= set(left)
        merges.append(Merge(level, str(values[f"{name}/cell{i + 1}/op"]), (first, second), tuple(left)))
        at.append(level)
    return merges
