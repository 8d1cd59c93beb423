"""A network of any number of blocks, and how a trained one grows without changing what it computes.

Branches and skip connections follow Wei et al. 2016 (https://arxiv.org/abs/1603.01670) and Elsken et al. 2017
(https://arxiv.org/abs/1711.04528): a new branch ends in a BatchNorm of scale zero, a new skip connection has
a scale of zero for each channel, and both learn from there.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.growth import morphism
from nasturtium.modules.growth.morphism import Replication
from nasturtium.space.architecture import Architecture
from nasturtium.space.moves import AddBranch, AddSkip, Deepen, GrowKernel, Move, Widen
from nasturtium.space.structure import Block, Place, Structure


class ConvNorm(nn.Module):
    """Convolution, BatchNorm."""

    def __init__(self, in_: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_, out, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(out)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×out×H×W."""
        return self.norm(self.conv(x_BCHW))


class ScaledSkip(nn.Module):
    """A skip connection with a learned scale for each channel, one at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input."""
        return x_BCHW * self.scale


class GrowingBlock(nn.Module):
    """The rectified sum of convolutions side by side, and perhaps of the input."""

    def __init__(self, in_: int, block: Block) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ConvNorm(in_, block.width, kernel) for kernel in block.kernels)
        self.skip = ScaledSkip(block.width) if block.skip else None
        self.activation = nn.ReLU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×width×H×W, nowhere negative."""
        y = self.convs[0](x_BCHW)
        for conv in self.convs[1:]:
            y = y + conv(x_BCHW)
        if self.skip is not None:
            y = y + self.skip(x_BCHW)
        return self.activation(y)

    def branches(self) -> list[ConvNorm]:
        """The convolutions, smallest kernel first."""
        return [conv for conv in self.convs if isinstance(conv, ConvNorm)]

    def set_branches(self, branches: Sequence[ConvNorm]) -> None:
        """Take other convolutions, in any order."""
        ascending: list[ConvNorm] = sorted(branches, key=_kernel)
        self.convs = nn.ModuleList(ascending)

    def described(self) -> Block:
        """The block as data."""
        kernels = tuple(map(_kernel, self.branches()))
        return Block(self.branches()[0].conv.out_channels, kernels, self.skip is not None)

    def statistics(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance that BatchNorms lead to expect of each output channel, given those of the input,
        if sums are normal and their parts independent.
        """
        norms = [branch.norm for branch in self.branches()]
        total = torch.stack([norm.bias for norm in norms]).sum(0)
        spread = torch.stack([norm.weight**2 for norm in norms]).sum(0)
        if self.skip is not None:
            scale = self.skip.scale.flatten()
            total, spread = total + scale * mean, spread + scale**2 * variance
        return morphism.rectified(total, spread)


def _kernel(branch: ConvNorm) -> int:
    return branch.conv.kernel_size[0]


class GrowingNetwork(nn.Module):
    """Stages of blocks, each with a pooling after it, and a classifier of channel means.

    `pools` makes one pooling for each stage; it treats all channels alike and gives nothing negative.
    """

    def __init__(
        self, in_: int, classes: int, structure: Structure, pools: Callable[[], Sequence[nn.Module]]
    ) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for stage in structure.stages:
            blocks = []
            for block in stage:
                blocks.append(GrowingBlock(in_, block))
                in_ = block.width
            self.stages.append(nn.Sequential(*blocks))
        self.pools = nn.ModuleList(pools())
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(in_, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        for stage, pool in zip(self.stages, self.pools, strict=True):
            x_BCHW = pool(stage(x_BCHW))
        return self.classifier(self.mean(x_BCHW).flatten(1))

    def stage(self, number: int) -> nn.Sequential:
        """A stage, counted from 1."""
        stage = self.stages[number - 1]
        assert isinstance(stage, nn.Sequential)
        return stage

    def block(self, place: Place) -> GrowingBlock:
        """The block at a place."""
        block = self.stage(place.stage)[place.block - 1]
        assert isinstance(block, GrowingBlock)
        return block

    def structure(self) -> Structure:
        """The network as data."""
        return Structure(
            tuple(
                tuple(block.described() for block in stage if isinstance(block, GrowingBlock))
                for stage in self.stages
                if isinstance(stage, nn.Sequential)
            )
        )

    def architecture(self) -> Architecture:
        """The architecture that this is a network of."""
        return Architecture(self.structure().values())


def grow(net: nn.Module, move: Move, *, seed: int = 0) -> tuple[GrowingNetwork, Architecture]:
    """A copy of a trained network after `move`, which computes the same, and its architecture.

    The same up to rounding, with BatchNorms in evaluation mode. Random copies and new weights depend on
    `seed`. Raises `UsageError` naming the block if the move is impossible, or if `net` is no such network.
    """
    net = require_growing("grow", net)
    if type(move) not in CHANGES:
        raise UsageError(f"grow takes a move such as Deepen(Place(1, 1)), got {move!r}")
    structure = move.apply(net.structure())
    grown = copy.deepcopy(net)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        CHANGES[type(move)](grown, move)
    assert grown.structure() == structure
    return grown, Architecture(structure.values())


def require_growing(who: str, net: nn.Module) -> GrowingNetwork:
    """`net` itself; raises `UsageError` in the name of `who` if it can't grow."""
    if not isinstance(net, GrowingNetwork):
        raise UsageError(
            f"{who} takes a GrowingNetwork, got {type(net).__name__}; make one of a plain nn.Sequential with"
            " from_sequential"
        )
    return net


def _widen(net: GrowingNetwork, move: Widen) -> None:
    structure = net.structure()
    replication = Replication.draw(structure[move.place].width, move.width, torch.default_generator)
    widened = structure.tied(move.place)
    for place in structure.places():
        block, before = net.block(place), structure.before(place)
        for branch in block.branches():
            if before in widened:
                branch.conv = morphism.with_more_inputs(branch.conv, replication)
            if place in widened:
                branch.conv = morphism.with_more_outputs(branch.conv, replication)
                branch.norm = morphism.with_more_channels(branch.norm, replication)
        if place in widened and block.skip is not None:
            scale = block.skip.scale
            block.skip.scale = nn.Parameter(replication.units(scale), scale.requires_grad)
    if structure.places()[-1] in widened:
        net.classifier = morphism.with_more_features(net.classifier, replication)


def _deepen(net: GrowingNetwork, move: Deepen) -> None:
    width = net.structure()[move.place].width
    new = _like(net, GrowingBlock(width, Block(width, (move.kernel,))))
    branch = new.branches()[0]
    morphism.make_identity(branch.conv, branch.norm, *_statistics(net, move.place))
    net.stage(move.place.stage).insert(move.place.block, new)


def _statistics(net: GrowingNetwork, at: Place) -> tuple[Tensor, Tensor]:
    """Mean and variance expected of what a block gives, as if poolings did not change them."""
    mean = variance = torch.zeros(1)
    for place in net.structure().places():
        if place <= at:
            mean, variance = net.block(place).statistics(mean, variance)
    return mean, variance


def _grow_kernel(net: GrowingNetwork, move: GrowKernel) -> None:
    block = net.block(move.place)
    branches = block.branches()
    branch = next(b for b in branches if _kernel(b) == move.kernel)
    branch.conv = morphism.with_kernel(branch.conv, move.to)
    block.set_branches(branches)


def _add_branch(net: GrowingNetwork, move: AddBranch) -> None:
    block = net.block(move.place)
    like = block.branches()[0].conv
    new = _like(net, ConvNorm(like.in_channels, like.out_channels, move.kernel))
    morphism.make_silent(new.norm)
    block.set_branches([*block.branches(), new])


def _add_skip(net: GrowingNetwork, move: AddSkip) -> None:
    block = net.block(move.place)
    block.skip = _like(net, ScaledSkip(block.described().width))
    nn.init.zeros_(block.skip.scale)


def _like(net: GrowingNetwork, new: Any) -> Any:
    """A new part in the place, the precision and the mode of the network."""
    return new.to(net.classifier.weight).train(net.training)


CHANGES: dict[type[Move], Callable[[GrowingNetwork, Any], None]] = {
    Widen: _widen,
    Deepen: _deepen,
    GrowKernel: _grow_kernel,
    AddBranch: _add_branch,
    AddSkip: _add_skip,
}
