"""A small smooth network with choices, in float64, so that derivatives can be taken numerically."""

import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.arch_step import Batch
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet


def branch(activation: type[nn.Module], *, norm: bool) -> nn.Module:
    layers = [nn.Linear(4, 4), nn.BatchNorm1d(4)] if norm else [nn.Linear(4, 4)]
    return nn.Sequential(*layers, activation())


def supernet(*, norm: bool = False, seed: int = 0) -> Supernet:
    """Three layers; the first and the last share one decision."""

    def layer(name: str) -> nn.Module:
        kinds = {"tanh": nn.Tanh, "softplus": nn.Softplus, "gelu": nn.GELU}
        return OneOf(name, {kind: lambda a=a: branch(a, norm=norm) for kind, a in kinds.items()})

    def make() -> nn.Module:
        return nn.Sequential(layer("outer"), layer("inner"), layer("outer"), nn.Linear(4, 3))

    net = Supernet(Blueprint(make), Softmax(), seed=seed).double()
    with torch.no_grad():
        for i, alpha in enumerate(net.alphas.values()):
            alpha.copy_(torch.tensor([0.3, -0.5, 0.8]).roll(i))
    return net


def batches(number: int, *, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)

    def normal(width: int) -> Tensor:
        return torch.randn(12, width, generator=generator, dtype=torch.float64)

    return [(normal(4), normal(3)) for _ in range(number)]


def warmed_up(net: Supernet, *, momentum: float, weight_decay: float, steps: int = 3) -> torch.optim.SGD:
    """The weights' optimiser after a few real steps, so that its momentum is not empty."""
    optimizer = torch.optim.SGD(net.weights(), 0.1, momentum, weight_decay=weight_decay)
    for x, y in batches(steps, seed=1):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward(inputs=net.weights())
        optimizer.step()
    optimizer.zero_grad()
    return optimizer
