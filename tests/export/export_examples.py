"""Small plain networks that the tests of the export room write out."""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, in_: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Identity() if stride == 1 else nn.Conv2d(in_, out, 1, stride)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        y += self.shortcut(x)
        return self.relu(y)


class ResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.blocks = nn.ModuleList([Block(8, 8, 1), Block(8, 8, 1), Block(8, 16, 2), Block(16, 16, 1)])
        self.head = nn.Linear(16, 5)
        self.auxiliary = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 5))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        x = self.stem(x)
        second = self.auxiliary(x.mean((2, 3))) if self.training else None
        for block in self.blocks:
            x = block(x)
        logits = self.head(x.mean(dim=(2, 3)))
        return logits if second is None else (logits, second)


class SepConv(nn.Sequential):
    """ReLU, depthwise and pointwise convolution, BatchNorm."""

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )


class Node(nn.Module):
    """Adds its edges."""

    def __init__(self, edges: dict[int, nn.Module]) -> None:
        super().__init__()
        self.edges = nn.ModuleDict({f"from_{j}": edge for j, edge in edges.items()})
        self.sources = list(edges)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        outputs = [self.edges[f"from_{j}"](states[j]) for j in self.sources]
        return outputs[0] + outputs[1]


class TwoInputCell(nn.Module):
    """Four nodes of two edges each."""

    def __init__(self, before: int, previous: int, channels: int, reduce: bool) -> None:
        super().__init__()
        stride = 2 if reduce else 1
        self.squeeze = nn.ModuleDict(
            {"a": nn.Conv2d(before, channels, 1), "b": nn.Conv2d(previous, channels, 1)}
        )
        pool = nn.MaxPool2d(3, stride, 1)
        self.nodes = nn.ModuleList(
            [
                Node({0: SepConv(channels, 3, stride), 1: SepConv(channels, 5, stride)}),
                Node({0: pool if reduce else nn.Identity(), 2: SepConv(channels, 3, 1)}),
                Node({1: SepConv(channels, 5, stride), 2: nn.Identity()}),
                Node({3: SepConv(channels, 3, 1), 4: nn.AvgPool2d(3, 1, 1)}),
            ]
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        states = [self.squeeze["a"](x), self.squeeze["b"](y)]
        for node in self.nodes:
            states.append(node(states))
        return torch.cat(states[2:], dim=1)


class CellNet(nn.Module):
    """Five cells, each on the outputs of the two before it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1, bias=False), nn.BatchNorm2d(12))
        widths = [(12, 12, 4), (12, 16, 4), (16, 16, 8), (16, 32, 8), (32, 32, 8)]
        self.cells = nn.ModuleList(TwoInputCell(a, b, c, False) for a, b, c in widths)
        self.classifier = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        before = previous = self.stem(x)
        for cell in self.cells:
            before, previous = previous, cell(before, previous)
        return self.classifier(F.adaptive_avg_pool2d(previous, 1).flatten(1))


class Normalise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.1]).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std


class Shuffle(nn.Module):
    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        return x.view(b, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(b, c, h, w)


class Shapes(nn.Module):
    """Shape arithmetic, a child used twice, a bare parameter, a weight used without its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding="same")
        self.mix = nn.Conv2d(6, 6, (1, 3), padding=(0, 1))
        self.shuffles = nn.ModuleList([Shuffle(2), Shuffle(3)])
        self.scale = nn.Parameter(torch.linspace(0.5, 1.5, 6).view(6, 1, 1))
        self.tied = nn.Linear(6, 6)
        self.head = nn.Sequential(OrderedDict(drop=nn.Dropout(0.5), fc=nn.Linear(12, 4)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = self.mix(F.relu(self.mix(self.conv(x))))
        for shuffle in self.shuffles:
            x = shuffle(x * self.scale)
        small = F.interpolate(x, scale_factor=0.5, mode="nearest")
        up = F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
        y = (2 - up) ** 2 + x[:, :, ::1, :]
        flat = torch.cat([y.mean((2, 3)), F.linear(x.amax((2, 3)), self.tied.weight)], dim=1)
        return {"logits": self.head(flat), "norm": flat.view(x.size(0), -1).norm(dim=1)}


class Unready(nn.Module):
    """A net with a child whose forward depends on values."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([nn.Conv2d(3, 3, 1), Branching()])

    def forward(self, x: Tensor) -> Tensor:
        return self.parts[1](self.parts[0](x))


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def trained(net: nn.Module, shape: tuple[int, ...] = (4, 3, 16, 16)) -> nn.Module:
    """`net` with running statistics and weights unlike fresh ones, in evaluation."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
        net.train()
        for _ in range(3):
            net(torch.rand(shape, generator=generator) * 3)
    return net.eval()


def seeded(make: type[nn.Module]) -> nn.Module:
    """A network of that class whose first weights are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return trained(make())
