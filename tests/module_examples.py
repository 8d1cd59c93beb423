"""Small networks with every kind of choice."""

import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS
from nasturtium.modules.repeat import Repeat
from nasturtium.spaces.darts import darts
from nasturtium.spaces.nasbench201 import nasbench201

CHANNELS = 8


def conv(kernel: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(CHANNELS, CHANNELS, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(CHANNELS)
    )


class Framed(nn.Module):
    """A stem, the part under test on B×8×H×W, a classifier."""

    def __init__(self, body: nn.Module, width: int = CHANNELS) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1), nn.BatchNorm2d(CHANNELS))
        self.body = body
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


def nested() -> nn.Module:
    """A choice in a choice in a stack of chosen depth, and the same name at two places."""
    inner = {"relu": nn.ReLU, "silu": nn.SiLU}

    def block(i: int) -> nn.Module:
        return OneOf(
            f"block{i}",
            {
                "conv": lambda: nn.Sequential(conv(3), OneOf("act", inner)),
                "wide": lambda: nn.Sequential(conv(5), OneOf("act", inner), conv(1)),
                "skip": nn.Identity,
            },
        )

    return Framed(Repeat("depth", block, (1, 2, 3)))


class Pick(nn.Module):
    """One of three and two of three tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv(k) for k in (1, 3, 5))
        self.one = InputChoice("one", 3)
        self.two = InputChoice("two", 3, k=2)

    def forward(self, x: Tensor) -> Tensor:
        states = [conv(x) for conv in self.convs]
        return self.one(states) * self.two(states)


class Elastic(nn.Module):
    """Widths and kernels as decisions, a depthwise layer, a width computed from two others."""

    def __init__(self) -> None:
        super().__init__()
        a, b = Dim("width/a", (4, 6, 8)), Dim("width/b", (3, 5))
        kernel = Dim("kernel", (1, 3, 5))
        both = derived(lambda a, b: a + b, a, b)
        self.left = nn.Sequential(ElasticConv2d(CHANNELS, a, kernel, bias=False), ElasticBatchNorm2d(a))
        self.right = ElasticConv2d(CHANNELS, b, 3, stride=1)
        self.joined = nn.Sequential(
            ElasticBatchNorm2d(both),
            nn.ReLU(),
            ElasticConv2d(both, both, kernel, stride=2, depthwise=True),
            ElasticConv2d(both, CHANNELS, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.joined(torch.cat([self.left(x), self.right(x)], dim=1))


class Mlp(nn.Module):
    """Elastic linear layers under a choice."""

    def __init__(self) -> None:
        super().__init__()
        hidden = Dim("mlp/width", (16, 32))
        self.mlp = nn.Sequential(
            ElasticLinear(CHANNELS, hidden), nn.ReLU(), ElasticLinear(hidden, CHANNELS, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CellPair(nn.Module):
    """Two cells of one name, the second reducing, and one whose nodes use all states."""

    def __init__(self) -> None:
        super().__init__()
        ops = {name: OPS.get(name) for name in ("skip_connect", "sep_conv_3x3", "max_pool_3x3_bn")}
        self.first = Cell("cell", ops, CHANNELS, 2)
        self.squeeze = nn.Conv2d(2 * CHANNELS, CHANNELS, 1)
        self.second = Cell("cell", ops, CHANNELS, 2, stride=2, null=True)
        self.narrow = nn.Conv2d(2 * CHANNELS, CHANNELS, 1)
        plain = {name: OPS.get(name) for name in ("none", "skip_connect", "nor_conv_1x1", "avg_pool_3x3")}
        self.third = Cell("all", plain, CHANNELS, 2, k=None, inputs=1, output="last")

    def forward(self, x: Tensor) -> Tensor:
        y = self.squeeze(self.first([x, x]))
        return self.third([self.narrow(self.second([x, y]))])


BLUEPRINTS = {
    "nested": Blueprint(nested),
    "inputs": Blueprint(lambda: Framed(Pick())),
    "elastic": Blueprint(lambda: Framed(Elastic())),
    "elastic in a choice": Blueprint(
        lambda: Framed(OneOf("kind", {"mlp": Mlp, "conv": elastic_kernel, "skip": nn.Identity}))
    ),
    "cells": Blueprint(lambda: Framed(CellPair())),
    "darts": darts((3, 8, 8), 5, channels=4, cells=3),
    "nasbench201": nasbench201((3, 8, 8), 5, channels=4, cells=1),
}


def elastic_kernel() -> nn.Module:
    return ElasticConv2d(CHANNELS, CHANNELS, Dim("kernel", (3, 5)))


def images(number: int = 2, size: int = 8, *, seed: int = 0, channels: int = 3) -> Tensor:
    return torch.randn(number, channels, size, size, generator=torch.Generator().manual_seed(seed))
