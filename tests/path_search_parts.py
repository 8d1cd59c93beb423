"""Toy images and a supernet small enough to be trained within a test."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric

FABRIC = make_fabric("cpu")
CLASSES = 3


def images(number: int, *, seed: int = 0) -> ImageSet:
    """Noise with a bright band, one place for each class."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(100, (number, 1, 8, 8), generator=generator, dtype=torch.uint8)
    labels = torch.arange(number) % CLASSES
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 2 * label : 2 * label + 2] += 150
    return ImageSet(pixels, labels, tuple("abc"))


TRAIN, VALID = images(40), images(24, seed=1)


def conv(kernel: int, channels: int = 4) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, channels, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
    )


class Net(nn.Module):
    """A stem, `layers` and a classifier."""

    def __init__(self, *layers: nn.Module, channels: int = 4) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


def kernels(name: str, *sizes: int) -> nn.Module:
    """One of several convolutions."""
    return OneOf(name, {f"conv{size}": lambda size=size: conv(size) for size in sizes})


def chain() -> nn.Module:
    """Two decisions of three options each."""
    return Net(kernels("one", 1, 3, 5), kernels("two", 1, 3, 5))


def nested() -> nn.Module:
    """A stack of chosen depth, whose blocks choose, below one option once more."""
    inner = {"relu": nn.ReLU, "tanh": nn.Tanh}

    def block(i: int) -> nn.Module:
        deep = lambda: nn.Sequential(conv(3), OneOf(f"act{i}", inner))  # noqa: E731
        return OneOf(f"block{i}", {"conv": lambda: conv(1), "deep": deep, "skip": nn.Identity})

    return Net(Repeat("depth", block, (1, 2, 3)))


def elastic() -> nn.Module:
    """A width and a kernel are open."""
    width = Dim("width", (2, 4, 6))
    return Net(
        ElasticConv2d(4, width, Dim("kernel", (1, 3))),
        ElasticBatchNorm2d(width),
        ElasticConv2d(width, 4, 1),
    )


BLUEPRINTS: dict[str, Blueprint] = {}


def _add(make: Callable[[], nn.Module]) -> None:
    BLUEPRINTS[make.__name__] = Blueprint(make)


for _make in (chain, nested, elastic):
    _add(_make)
