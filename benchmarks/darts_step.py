"""Times one search step of DARTS (Adam on α, then SGD on the weights) against a deliberately plain supernet.

The plain one, written here in torch only, runs every operation of every edge separately, in contiguous
memory. Every variant runs in a process of its own; rounds of all variants alternate.
"""

import argparse
import copy
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.oneshot.arch_step import ArchStep, FirstOrder, SecondOrder
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.darts import darts
from nasturtium.training.memory import keep_freed_memory

SEED = 0
CLASSES = 10
VARIANTS = ("plain first", "ours first", "plain second", "ours second")


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False)


def separable(c: int, kernel: int, stride: int, dilation: int) -> nn.Sequential:
    padding = dilation * (kernel // 2)
    deep = nn.Conv2d(c, c, kernel, stride, padding, dilation, groups=c, bias=False)
    return nn.Sequential(nn.ReLU(), deep, nn.Conv2d(c, c, 1, bias=False), norm(c))


class Reduce(nn.Module):
    """The factorised reduction."""

    def __init__(self, in_: int, out: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(in_, out // 2, 1, 2, bias=False)
        self.conv_2 = nn.Conv2d(in_, out - out // 2, 1, 2, bias=False)
        self.bn = norm(out)

    def forward(self, x: Tensor) -> Tensor:
        """B×in×H×W → B×out×H/2×W/2."""
        x = x.relu()
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(F.pad(x, (-1, 1, -1, 1)))], 1))


def operations(c: int, s: int) -> nn.ModuleList:
    return nn.ModuleList(
        [
            nn.Sequential(nn.MaxPool2d(3, s, 1), norm(c)),
            nn.Sequential(nn.AvgPool2d(3, s, 1, count_include_pad=False), norm(c)),
            nn.Identity() if s == 1 else Reduce(c, c),
            nn.Sequential(separable(c, 3, s, 1), separable(c, 3, 1, 1)),
            nn.Sequential(separable(c, 5, s, 1), separable(c, 5, 1, 1)),
            separable(c, 3, s, 2),
            separable(c, 5, s, 2),
        ]
    )


class PlainCell(nn.Module):
    """Every operation of every edge, one after the other."""

    def __init__(self, before: int, previous: int, c: int, *, reduction: bool, reduced: bool) -> None:
        super().__init__()
        self.kind = "reduce" if reduction else "normal"
        squeeze = nn.Sequential(nn.ReLU(), nn.Conv2d(before, c, 1, bias=False), norm(c))
        self.input0 = Reduce(before, c) if reduced else squeeze
        self.input1 = nn.Sequential(nn.ReLU(), nn.Conv2d(previous, c, 1, bias=False), norm(c))
        self.edges = nn.ModuleList(
            operations(c, 2 if reduction and j < 2 else 1) for i in range(2, 6) for j in range(i)
        )

    def forward(self, x: Tensor, y: Tensor, alphas: nn.ParameterDict) -> Tensor:
        """Two inputs → B×4C×H'×W'."""
        states = [self.input0(x), self.input1(y)]
        edges = iter(self.edges)
        for i in range(2, 6):
            total: Tensor | None = None
            for j in range(i):
                weights = alphas[f"{self.kind}/{i}<-{j}"].softmax(0)
                for op, weight in zip(next(edges).children(), weights[:-1], strict=True):
                    part = weight * op(states[j])
                    total = part if total is None else total + part
            assert total is not None
            states.append(total)
        return torch.cat(states[2:], 1)


class PlainNetwork(nn.Module):
    """Modules in the order of our DARTS network, so that their weights can be copied one by one."""

    def __init__(self, in_: int, c: int, cells: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(in_, 3 * c, 3, padding=1, bias=False), nn.BatchNorm2d(3 * c))
        before, previous, reduced = 3 * c, 3 * c, False
        self.cells = nn.ModuleList()
        for i in range(cells):
            reduction = i in (cells // 3, 2 * cells // 3)
            c *= 2 if reduction else 1
            self.cells.append(PlainCell(before, previous, c, reduction=reduction, reduced=reduced))
            before, previous, reduced = previous, 4 * c, reduction
        self.classifier = nn.Linear(previous, CLASSES)

    def forward(self, images: Tensor, alphas: nn.ParameterDict) -> Tensor:
        """B×C×H×W → B×classes."""
        x = y = self.stem(images)
        for cell in self.cells:
            x, y = y, cell(x, y, alphas)
        return self.classifier(y.mean((2, 3)))


class PlainSupernet(nn.Module):
    """Has the parts of a `Supernet` that the steps below need, with weights copied from one."""

    def __init__(self, ours: Supernet, in_: int, c: int, cells: int) -> None:
        super().__init__()
        self.net = PlainNetwork(in_, c, cells)
        self.relaxation, self.alphas = ours.relaxation, copy.deepcopy(ours.alphas)
        theirs = list(ours.net.state_dict().values())
        names = list(self.net.state_dict())
        self.net.load_state_dict(dict(zip(names, theirs, strict=True)))

    def weights(self) -> list[nn.Parameter]:
        """The weights without architecture parameters."""
        return list(self.net.parameters())

    @contextmanager
    def fixed_alphas(self) -> Iterator[None]:
        """Inside, architecture parameters get no gradient."""
        self.alphas.requires_grad_(False)
        yield
        self.alphas.requires_grad_(True)

    def forward(self, images: Tensor) -> Tensor:
        """B×C×H×W → B×classes."""
        return self.net(images, self.alphas)


class Step:
    """One search step, as `Bilevel` makes it."""

    def __init__(self, net: Any, arch_step: ArchStep, batches: list[tuple[Tensor, Tensor]]) -> None:
        self.net, self.arch_step, self.batches = net.train(), arch_step, batches
        self.weights = net.weights()
        self.sgd = torch.optim.SGD(self.weights, 0.025, 0.9, weight_decay=3e-4)
        self.adam = torch.optim.Adam(net.alphas.values(), 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    def __call__(self) -> None:
        """Adam on α by the validation batch, SGD on the weights by the training batch."""
        train, valid = self.batches
        gradients = self.arch_step.gradient(self.net, train, valid, F.cross_entropy, self.sgd)
        for name, gradient in gradients.items():
            self.net.alphas[name].grad = gradient
        self.adam.step()
        self.sgd.zero_grad()
        with self.net.fixed_alphas():
            F.cross_entropy(self.net(train[0]), train[1]).backward(inputs=self.weights)
        torch.nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.sgd.step()


def make(
    variant: str, options: argparse.Namespace, dtype: torch.dtype = torch.float32
) -> tuple[Any, list[Any]]:
    generator = torch.Generator().manual_seed(SEED)
    shape = (options.input_channels, options.size, options.size)
    net: Any = Supernet(
        darts(shape, CLASSES, channels=options.channels, cells=options.cells), Softmax(), seed=SEED
    )
    if variant.startswith("plain"):
        net = PlainSupernet(net, shape[0], options.channels, options.cells)
    net.to(dtype)
    batches = [
        (
            torch.randn(options.batch, *shape, generator=generator).to(dtype),
            torch.randint(CLASSES, (options.batch,), generator=generator),
        )
        for _ in range(2)
    ]
    if variant.startswith("ours"):
        net.to(memory_format=torch.channels_last)
        batches = [(x.contiguous(memory_format=torch.channels_last), y) for x, y in batches]
    return net, batches


def work(variant: str, options: argparse.Namespace) -> None:
    """A process of one variant: a line on stdin asks for one step; its seconds and the peak memory answer."""
    keep_freed_memory()  # as `make_fabric` does for every training on a CPU
    net, batches = make(variant, options)
    step = Step(net, FirstOrder() if variant.endswith("first") else SecondOrder(), batches)
    baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step()
    print("ready", flush=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        step()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - baseline
        print(json.dumps([seconds, peak / 1024]), flush=True)


def measure(options: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Median seconds and peak MiB by variant."""
    command = [sys.executable, __file__, *sys.argv[1:], "--variant"]
    workers: dict[str, subprocess.Popen[str]] = {}
    for v in options.variants:  # one after the other: threads of two that run at once wait for each other
        workers[v] = subprocess.Popen([*command, v], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        out = workers[v].stdout
        assert out is not None
        out.readline()
    answers: dict[str, list[list[float]]] = {v: [] for v in workers}
    for _ in range(options.rounds):
        for variant, worker in workers.items():
            assert worker.stdin is not None
            assert worker.stdout is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
            answers[variant].append(json.loads(worker.stdout.readline()))
    for worker in workers.values():
        worker.communicate()
    return {v: (statistics.median(a[0] for a in rows), rows[-1][1]) for v, rows in answers.items()}


def differences(options: argparse.Namespace, dtype: torch.dtype) -> dict[str, float]:
    """Largest differences between plain and ours, relative to the largest value of each kind."""
    found: list[list[Tensor]] = []
    for variant in ("plain", "ours"):
        net, ((x, y), _) = make(variant, options, dtype)
        logits = net.train()(x)
        parts = list(net.alphas.values()), net.weights()
        gradients = torch.autograd.grad(F.cross_entropy(logits, y), [*parts[0], *parts[1]])
        split = len(parts[0])
        kinds = [[logits], gradients[:split], gradients[split:], list(net.net.buffers())]
        found.append([torch.cat([t.detach().reshape(-1).to(dtype) for t in kind]) for kind in kinds])
    names = ("outputs", "α gradients", "weight gradients", "running statistics")
    return {n: float((a - b).abs().max() / a.abs().max()) for n, a, b in zip(names, *found, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=32, help="height and width of the images")
    parser.add_argument("--input-channels", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.variant:
        work(options.variant, options)
        return
    measured = measure(options)
    base = measured.get("plain first", (float("nan"), float("nan")))
    print("| variant | seconds | to plain first | peak MiB | to plain first |\n|---|---|---|---|---|")
    for variant, (seconds, peak) in measured.items():
        ratios = seconds / base[0], peak / base[1]
        print(f"| {variant} | {seconds:.3f} | {ratios[0]:.2f} | {peak:.0f} | {ratios[1]:.2f} |", flush=True)
    options.batch = min(options.batch, 4)  # equality needs no long run
    for dtype in (torch.float32, torch.float64):
        for name, value in differences(options, dtype).items():
            print(f"largest relative difference of {name} in {dtype}: {value:.1e}")


if __name__ == "__main__":
    main()
