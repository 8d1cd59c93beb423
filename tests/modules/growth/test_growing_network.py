import copy

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.growth.growing_network import GrowingNetwork, grow
from nasturtium.space.architecture import Architecture
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.moves import AddBranch, AddSkip, Deepen, GrowKernel, Widen
from nasturtium.space.structure import Block, Place, Structure
from trained_norms import as_trained

# a skip across stages, two skips in a row, branches of one kernel
START = Structure(
    ((Block(4), Block(4, (3,), True)), (Block(4, (3, 5), True), Block(6), Block(6, (3, 3), True)))
)
PLACES = START.places()


def trained(structure: Structure = START, seed: int = 0) -> GrowingNetwork:
    torch.manual_seed(seed)
    net = GrowingNetwork(3, 5, structure, lambda: [nn.MaxPool2d(2), nn.Identity()])
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    as_trained(net, seed)
    return net.eval()


def images() -> torch.Tensor:
    return torch.randn(3, 3, 9, 8, generator=torch.Generator().manual_seed(3))


def difference(a: nn.Module, b: nn.Module) -> float:
    x = images().to(next(a.parameters()))
    with torch.no_grad():
        return (a(x) - b(x)).abs().max().item()


EVERY_MOVE = [
    *(Deepen(place, kernel) for place in PLACES for kernel in (1, 5)),
    *(Widen(place, width) for place in PLACES for width in (7, 13)),  # more than twice: copies of copies
    *(GrowKernel(place, 3, to) for place in PLACES for to in (5, 9)),
    GrowKernel(Place(2, 1), 5, 7),
    *(AddBranch(place, kernel) for place in PLACES for kernel in (1, 3, 7)),
]


@pytest.mark.parametrize("move", EVERY_MOVE, ids=str)
def test_every_move_keeps_the_function(move):
    net = trained()
    grown, arch = grow(net, move)
    assert difference(net, grown) < 1e-5
    assert arch == Architecture(move.apply(START).values()) == grown.architecture()
    assert difference(net.double(), grow(net, move)[0]) < 1e-12  # only rounding


def test_a_skip_keeps_the_function_and_learns():
    plain = Structure(((Block(4), Block(4, (5,))), (Block(4, (3, 5)),)))
    net = trained(plain)
    for place in plain.places()[1:]:
        grown, _ = grow(net, AddSkip(place))
        assert difference(net, grown) == 0
        grown(images()).square().sum().backward()
        assert grown.block(place).skip.scale.grad.abs().sum() > 0


def test_ten_moves_of_every_kind_keep_the_function_of_a_network_trained_in_between():
    kinds = [Deepen, Widen, GrowKernel, AddSkip, AddBranch] * 2
    for seed in range(5):
        net, rng = trained(Structure(((Block(4),), (Block(4),))), seed), np.random.default_rng(seed)
        space = GrowingSpace(net.architecture(), steps=10)
        start, straight = net, net
        for i in rng.permutation(len(kinds)):
            arch = net.architecture()
            of_kind = [move for move in space.moves(arch) if isinstance(move, kinds[i])]
            move = of_kind[rng.integers(len(of_kind))] if of_kind else Deepen(Place(1, 1))
            grown, after = grow(net, move, seed=seed)
            assert after == space.moved(arch, move)
            assert difference(net, grown) < 1e-5
            straight, _ = grow(straight, move, seed=seed)
            net = grown
            with torch.no_grad():  # as if every new part had learned
                for parameter in net.parameters():
                    parameter += 0.1 * torch.randn_like(parameter)
            as_trained(net, seed)
        assert difference(start, straight) < 1e-5


def test_growing_leaves_the_trained_network_as_it_is():
    net = trained()
    before = copy.deepcopy(net.state_dict())
    grown, _ = grow(net, Widen(Place(1, 1), 9), seed=1)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    again, _ = grow(net, Widen(Place(1, 1), 9), seed=1)
    assert all(map(torch.equal, grown.state_dict().values(), again.state_dict().values()))
    assert not grown.training
    assert grow(net.train(), Deepen(Place(1, 1)))[0].block(Place(1, 2)).training


def test_copies_of_a_unit_are_told_apart_by_training():
    net = trained(Structure(((Block(2),), (Block(3),))), seed=1)
    grown, _ = grow(net, Widen(Place(1, 1), 4))
    grown(images()).square().sum().backward()
    gradient = grown.block(Place(1, 1)).branches()[0].conv.weight.grad
    assert len({round(g.abs().sum().item(), 6) for g in gradient}) == 4


def test_deepening_changes_training_mode_far_less_than_a_fresh_batchnorm_would():
    """A BatchNorm with scale 1 and shift 0 would rectify about half of its inputs away."""
    plain = Structure(((Block(8), Block(8, (3,), True)), (Block(8, (3, 5)),)))
    errors = {place: [] for place in plain.places()}
    for seed in range(8):
        torch.manual_seed(seed)
        net = GrowingNetwork(3, 5, plain, lambda: [nn.Identity(), nn.Identity()])
        x = torch.randn(64, 3, 8, 8)
        for place, met in errors.items():
            grown, _ = grow(net.train(), Deepen(place))
            naive = copy.deepcopy(grown)
            norm = naive.block(Place(place.stage, place.block + 1)).branches()[0].norm
            nn.init.ones_(norm.weight)
            nn.init.zeros_(norm.bias)
            with torch.no_grad():
                y = net(x)
                met.append([(other(x) - y).square().mean() / y.var(0).mean() for other in (grown, naive)])
    for met in errors.values():
        assert all(2 * error < worse for error, worse in met)
        mean, worse = torch.tensor(met).mean(0)
        assert mean < 0.2
        assert 10 * mean < worse


def test_frozen_weights_stay_frozen():
    net = trained(Structure(((Block(4), Block(4, (3,), True)),)))
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    grown, _ = grow(net, Widen(Place(1, 1), 6))
    assert not any(parameter.requires_grad for parameter in grown.parameters())


def test_only_growing_networks_grow():
    with pytest.raises(UsageError, match="grow takes a GrowingNetwork, got Sequential"):
        grow(nn.Sequential(), Deepen(Place(1, 1)))
    with pytest.raises(UsageError, match="Widen at stage4/block1: there is no such block"):
        grow(trained(), Widen(Place(4, 1), 8))
    for move in (None, "deepen", Place(1, 1), Deepen):
        with pytest.raises(UsageError, match="grow takes a move such as Deepen"):
            grow(trained(), move)
