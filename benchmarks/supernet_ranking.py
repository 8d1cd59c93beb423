"""How well supernets rank NAS-Bench-201's cells on CIFAR-10, method by method.

Every method trains a supernet of the same reduced network on the same images for the same time, then scores
the same cells by their accuracy and by their loss on search-valid images with inherited weights. Both
rankings are compared with the published test accuracy after 200 epochs (`cifar10_test_acc_200ep`), which is
used for nothing else. The ranking by number of parameters, which needs no training, is what a method has to
beat.

A row with `& size` is no method: it adds up the ranks by the supernet's loss and by the number of parameters.
"""

import argparse
import csv
import gzip
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import kendalltau, rankdata, spearmanr
from torch import nn

from nasturtium.core.seeds import seed_for
from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.hardware.meters import count_parameters
from nasturtium.methods.enas import ControllerPaths
from nasturtium.methods.pace import seconds_per_step
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.derive import derive
from nasturtium.oneshot.arch_step import FirstOrder
from nasturtium.oneshot.bilevel import Bilevel, BilevelSettings
from nasturtium.oneshot.distil import Distillation
from nasturtium.oneshot.extremes import SandwichPaths
from nasturtium.oneshot.fair import FairPaths
from nasturtium.oneshot.paths import PathSampler, UniformPaths
from nasturtium.oneshot.promising import PromisingPaths
from nasturtium.oneshot.relaxations.base import Relaxation
from nasturtium.oneshot.relaxations.binary import Binary
from nasturtium.oneshot.relaxations.dirichlet import Dirichlet
from nasturtium.oneshot.relaxations.gumbel import Gumbel
from nasturtium.oneshot.relaxations.hard_gumbel import HardGumbel
from nasturtium.oneshot.relaxations.sigmoid import Sigmoid
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.single_path import PathSettings, SinglePath
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.nasbench201 import from_string, nasbench201
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.data.sources import open_data
from nasturtium.training.device import make_fabric

REPORT = "cifar10_test_acc_200ep"
EPOCHS = 20  # into which the time is divided
Train = Callable[["Setting", int], nn.Module]
"""Trains a supernet with a seed and returns its network."""


@dataclass(frozen=True)
class Setting:
    """What all methods have in common."""

    blueprint: Blueprint
    train: ImageSet
    valid: ImageSet
    seconds: float
    weights: Mapping[str, Any]  # settings of their training


def paths(
    sampler: Callable[[Supernet, int], PathSampler],
    setting: Setting,
    seed: int,
    *,
    distil: Distillation | None = None,
) -> nn.Module:
    """A supernet trained along single paths."""

    def loop(epochs: int) -> SinglePath:
        settings = PathSettings(epochs=epochs, **setting.weights)
        sampled = sampler(supernet, seed)
        return SinglePath(supernet, sampled, settings, fabric=make_fabric("cpu"), seed=seed, distil=distil)

    supernet = Supernet(setting.blueprint, seed=seed)
    _timed(setting, lambda epochs, steps: loop(epochs).run(setting.train, setting.valid, steps=steps))
    return supernet.net


def mixture(relaxation: Callable[[], Relaxation], setting: Setting, seed: int) -> nn.Module:
    """A supernet trained as a mixture, architecture and weights in turns."""

    def loop(epochs: int) -> Bilevel:
        settings = BilevelSettings(epochs=epochs, **setting.weights)
        return Bilevel(supernet, FirstOrder(), settings, fabric=make_fabric("cpu"), seed=seed)

    supernet = Supernet(setting.blueprint, relaxation(), seed=seed)
    _timed(setting, lambda epochs, steps: loop(epochs).run(setting.train, setting.valid, steps=steps))
    return supernet.net


def _timed(setting: Setting, run: Callable[[int, int], object]) -> None:
    """Train for as many steps as fit, those of the timing included: they train the supernet, too."""
    began = time.perf_counter()
    each = seconds_per_step(lambda n: run(1, n))
    left = setting.seconds - (time.perf_counter() - began)
    run(EPOCHS, max(int(left / each / EPOCHS), 1))
    print(f"  trained for {time.perf_counter() - began:.0f} s, {1000 * each:.1f} ms a step", file=sys.stderr)


UNIFORM = partial(paths, lambda net, _: UniformPaths(net.space))
METHODS: dict[str, Train] = {
    "spos, randomnas": UNIFORM,  # they differ in what searches the supernet
    "fairnas": partial(paths, lambda net, _: FairPaths(net.space)),
    "bignas": partial(paths, lambda net, _: SandwichPaths(net, net.space), distil=Distillation()),
    "greedy-paths": partial(paths, lambda net, _: PromisingPaths(net.space)),
    "enas": partial(paths, lambda net, seed: ControllerPaths(net.space, lambda _: 0.0, seed=seed)),
    "darts": partial(mixture, Softmax),
    "snas": partial(mixture, Gumbel),
    "gdas": partial(mixture, HardGumbel),
    "proxylessnas": partial(mixture, Binary),
    "drnas": partial(mixture, Dirichlet),
    "fair-darts": partial(mixture, Sigmoid),
}


def cells(table: Path, number: int) -> list[tuple[str, Architecture, float]]:
    """Random rows of the table: text, architecture and reported accuracy."""
    with gzip.open(table, "rt") as file:
        rows = list(csv.DictReader(file))
    chosen = np.random.default_rng(seed_for("cells")).permutation(len(rows))[:number]
    return [(rows[i]["arch"], from_string(rows[i]["arch"]), float(rows[i][REPORT])) for i in chosen]


def scores(net: nn.Module, setting: Setting, archs: Sequence[Architecture]) -> dict[str, list[float]]:
    """Accuracies, and losses with a minus, on search-valid images with inherited weights."""
    estimator = InheritedEstimator(
        partial(derive, net), setting.train, setting.valid, fabric=make_fabric("cpu")
    )
    jobs = (Job(i, arch, Fidelity(0), 0, Path()) for i, arch in enumerate(archs))
    found = [estimator.evaluate(job, lambda *_: True).metrics for job in jobs]
    return {"accuracy": [m["valid_accuracy"] for m in found], "loss": [-m["valid_loss"] for m in found]}


def reaches_everything(arch: Architecture) -> bool:
    """Whether every operation that is not `none` lies on a way from the input to the output."""
    used = {tuple(map(int, name.split("/")[1].split("<-"))) for name, op in arch.items() if op != "none"}
    from_input, to_output = {0}, {3}
    for _ in range(3):
        from_input |= {node for node, source in used if source in from_input}
        to_output |= {source for node, source in used if node in to_output}
    return all(s in from_input and n in to_output for n, s in used)


def agreement(found: Sequence[float], reported: Sequence[float]) -> str:
    """Kendall's τ and Spearman's ρ, as cells of a table."""
    return f"{kendalltau(found, reported)[0]:.3f} | {spearmanr(found, reported)[0]:.3f}"


def row(label: str, found: Sequence[float], reported: Sequence[float], alive: Sequence[bool]) -> str:
    """A line of the table: over all cells, and over those without dead operations."""
    living = [[v for v, a in zip(column, alive, strict=True) if a] for column in (found, reported)]
    return f"| {label} | {agreement(found, reported)} | {agreement(*living)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", required=True, help="folder with train/<class>/ and test/<class>/")
    parser.add_argument("--table", type=Path, required=True, help="nasbench201.csv.gz")
    parser.add_argument("--minutes", type=float, default=10.0, help="wall-clock time of each training")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS, metavar="METHOD")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cells", type=int, default=300, help="how many are scored")
    parser.add_argument("--channels", type=int, default=8)
    parser.add_argument("--stage", type=int, default=1, help="cells in each of the three stages")
    parser.add_argument("--size", type=int, default=16, help="pixels of an image's side")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--valid", type=int, default=5000, help="search-valid images that score a cell")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = (3, options.size, options.size)
    blueprint = nasbench201(shape, 10, channels=options.channels, cells=options.stage)
    splits = open_data(options.images, image_size=options.size).splits(0)
    drawn = torch.randperm(len(splits.search_valid), generator=torch.Generator().manual_seed(0))
    valid = splits.search_valid.subset(drawn[: options.valid])
    weights = {
        "batch_size": options.batch,
        "learning_rate": options.learning_rate,
        "mirror": True,
        "crop_padding": options.size // 8,
    }
    setting = Setting(blueprint, splits.search_train, valid, 60 * options.minutes, weights)
    chosen = cells(options.table, options.cells)
    archs, reported = [arch for _, arch, _ in chosen], [accuracy for *_, accuracy in chosen]
    sizes = [float(count_parameters(blueprint.build(arch, 0))) for arch in archs]
    alive = [reaches_everything(arch) for arch in archs]
    print(f"{len(archs)} cells, {sum(alive)} without dead operations; {vars(options)}\n")
    print("| ranking | all: τ | ρ | without dead operations: τ | ρ |\n|---|---|---|---|---|")
    print(row("number of parameters", sizes, reported, alive), flush=True)
    for seed in options.seeds:
        for name in options.methods:
            found = scores(METHODS[name](setting, seed), setting, archs)
            found["loss & size"] = (rankdata(found["loss"]) + rankdata(sizes)).tolist()
            for by, values in found.items():
                print(row(f"{name}, seed {seed}, by {by}", values, reported, alive), flush=True)


if __name__ == "__main__":
    main()
