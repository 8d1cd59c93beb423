"""Small networks, one for each kind of choice, and what a method makes of them."""

import json
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import nasturtium as nas
from nasturtium.core.config import SearchConfig
from nasturtium.core.errors import UsageError
from nasturtium.job import prepare
from nasturtium.methods.base import METHODS, Task, stages_of
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.ops import OPS
from nasturtium.space.architecture import Architecture
from nasturtium.study.progress import SILENT, Progress
from nasturtium.study.run import Run
from nasturtium.training.data.base import DataSource
from nasturtium.training.data.in_memory import InMemory

WIDTH = 8
PATHS = 4  # are scored by methods that compare paths
OPERATIONS = {name: OPS.get(name) for name in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")}


def conv(kernel: int) -> nn.Module:
    """A convolution that keeps the shape."""
    return nn.Sequential(nn.Conv2d(WIDTH, WIDTH, kernel, padding=kernel // 2), nn.ReLU())


def convs(*kernels: int) -> dict[int | str, Callable[[], nn.Module]]:
    """Candidates by kernel size."""
    return {kernel: lambda kernel=kernel: conv(kernel) for kernel in kernels}


class Around(nn.Module):
    """A stem before `body` and a classifier after it."""

    def __init__(self, body: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.body = body()
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.stem(x)).mean(dim=(2, 3)))


class Inputs(nn.Module):
    """Adds `k` of three tensors."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(conv(kernel) for kernel in (1, 3, 5))
        self.choice = nas.InputChoice("inputs", 3, k=k)

    def forward(self, x: Tensor) -> Tensor:
        return self.choice([part(x) for part in self.parts])


class ACell(nn.Module):
    """A cell of two inputs, as DARTS has them."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nas.Cell("cell", OPERATIONS, WIDTH, nodes=2, output="last", null=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell([x, x])


class Widths(nn.Module):
    """Two branches of open widths, joined: the next layer's width is their sum."""

    def __init__(self, name: str) -> None:
        super().__init__()
        left, right = nas.Dim(f"{name}/left", (2, 4)), nas.Dim(f"{name}/right", (4, 8))
        self.left, self.right = nas.ElasticConv2d(WIDTH, left, 1), nas.ElasticConv2d(WIDTH, right, 3)
        self.out = nas.ElasticConv2d(nas.derived(lambda a, b: a + b, left, right), WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(torch.cat([self.left(x), self.right(x)], dim=1))


class Kernels(nn.Module):
    """Two branches of open kernels, of which one gates the other."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.left, self.right = (
            nas.OneOf(f"{name}/left", convs(1, 3)),
            nas.OneOf(f"{name}/right", convs(3, 5)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.left(x) * self.right(x).sigmoid()


def own_network(block: Callable[[str], nn.Module]) -> nn.Module:
    """Own blocks, nested choices and tied names; with `Widths` also a width that is the sum of two others."""

    def gate() -> nn.Module:
        return nas.OneOf("gate", {"relu": nn.ReLU, "gelu": nn.GELU})  # one name: chosen once for all places

    def first() -> nn.Module:
        options = {"own": lambda: block("a"), "nested": lambda: nas.OneOf("a/kernel", convs(1, 3))}
        return nn.Sequential(nas.OneOf("a", options), gate())

    return nn.Sequential(first(), nas.Repeat("depth", lambda i: block("b"), depths=(1, 2)), gate())


def nested() -> nn.Module:
    """A choice under an option of another."""
    return nas.OneOf("outer", {"plain": lambda: conv(1), "open": lambda: nas.OneOf("inner", convs(3, 5))})


def tied() -> nn.Module:
    """One decision with two sites."""
    return nn.Sequential(nas.OneOf("kernel", convs(1, 3, 5)), nas.OneOf("kernel", convs(1, 3, 5)))


def widths() -> nn.Module:
    """An open width between two layers."""
    width = nas.Dim("width", (4, 8, 16))
    return nn.Sequential(
        nas.ElasticConv2d(WIDTH, width, 3), nas.ElasticBatchNorm2d(width), nas.ElasticConv2d(width, WIDTH, 1)
    )


KINDS: dict[str, Callable[[], nn.Module]] = {
    "`OneOf`": lambda: nas.OneOf("op", convs(1, 3, 5)),
    "nested": nested,
    "one name, two places": tied,
    "`Edge`": lambda: nn.Sequential(*(nas.Edge(f"edge/{i}", OPERATIONS, WIDTH) for i in range(2))),
    "`Cell`": ACell,
    "`InputChoice`, 1 of n": lambda: Inputs(1),
    "`InputChoice`, k of n": lambda: Inputs(2),
    "`Repeat` (depth)": lambda: nas.Repeat("depth", lambda i: conv(3), depths=(1, 2, 3)),
    "`Dim` (width)": widths,
    "width as a sum": lambda: nn.Sequential(Widths("a"), Widths("b")),
    "all of it, nested": lambda: own_network(Widths),
    "the same without widths": lambda: own_network(Kernels),
}


def images() -> InMemory:
    """Bright squares, one place for each of three classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = (60 * torch.rand(60, 8, 8, generator=generator)).to(torch.uint8)
    labels = torch.arange(60) % 3
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[2 * label : 2 * label + 3, 2:6] += 150
    return InMemory(pixels, labels, mirror=False)


def a_task(
    method: str,
    space: str | Blueprint,
    *,
    data: DataSource,
    sizes: Mapping[str, int] | None = None,
    searching: Mapping[str, object] | None = None,
    search_settings: Mapping[str, list[float]] | None = None,
) -> Task:
    """A search of two epochs and a few paths, or of two trials."""
    abilities = METHODS.info(method).abilities
    by_training = "training" in abilities
    by_scores = {"path", "limits"} <= abilities
    small = {**({} if by_training else {"batch_size": 16}), **({"paths": PATHS} if by_scores else {})}
    config = SearchConfig(
        method=method,
        budget="2 trials" if by_training else "2 epochs",
        training={"epochs": 1},
        searching={**small, **(searching or {})},
        search_net=sizes or {},
        final_net=sizes or {},
        search_settings=search_settings or {},
        device="cpu",
    )
    return prepare(config, data, space)


def search(method: str, task: Task, folder: Path, progress: Progress = SILENT) -> Architecture:
    """What `method` finds, without training it; raises `UsageError` where it refuses."""
    stages = stages_of(method, task)
    with Run.open(folder, "run", config={}, space=task.blueprint.space.to_dict(), seed=0, command="") as run:
        for stage in stages:
            payload = run.stage(stage.name, partial(stage.run, run, progress))
    found = Architecture.from_json(json.dumps(payload["architecture"]))
    assert found in task.blueprint.space
    return found


def network(kind: str) -> Blueprint:
    """A small classifier with this kind of choice."""
    return Blueprint(lambda: Around(KINDS[kind]))


def refusal(method: str, kind: str) -> str | None:
    """Why `method` can't search a network with this kind of choice; None: it just did."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            search(method, a_task(method, network(kind), data=images()), Path(folder))
        except UsageError as error:
            return str(error)
    return None
