"""Makes the benchmark `digits`, the file `src/nasturtium/tables/digits.npz`.

Every network of the small space (`nasturtium.spaces.small_cell`) is trained with three seeds on the same few
images of the digits, as the settings in `nasturtium.tables.digits` say. Of each training are kept: the
accuracy on the search-valid images after each epoch, the accuracy on the test images at the end, and the
processor time, validation included. No network is chosen by the test images; the settings of the training
were, among five, by how far the accuracies of 24 networks spread. Trainings are done in random order, so that
what else the machine does falls on all networks alike.

Each finished training is a line of `trainings.jsonl` in the folder of progress: the same command goes on
where it was stopped. When all are done, parameters, multiply-adds and latency are measured and the table is
written. Latency is measured last and in one go, since other work on the machine disturbs it: rounds over all
networks in random order, in each a few passes of one image on one thread, and of all these the median.

All but the two times is the same in every run on the same machine; elsewhere rounding differs.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from nasturtium.hardware.sizes import sizes_of
from nasturtium.modules.blueprint import Blueprint
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.small_cell import SmallCellNetwork
from nasturtium.tables.arrays import write_table
from nasturtium.tables.base import Table
from nasturtium.tables.digits import SEEDS, TRAINING, VALID_FRACTION
from nasturtium.training.data.digits import Digits
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric
from nasturtium.training.evaluate import evaluate
from nasturtium.training.settings import TrainSettings
from nasturtium.training.trainer import fit

SHAPE, CLASSES = (1, 8, 8), 10
BLUEPRINT = Blueprint(lambda: SmallCellNetwork(SHAPE, CLASSES))
FABRIC = make_fabric("cpu")
SETTINGS = TrainSettings.parse(TRAINING)
ROUNDS, WARM, PASSES = 5, 3, 10  # of measuring latency

Training = dict[str, Any]
"""An architecture as JSON, a seed, and what was measured: a line of the progress."""


@dataclass(frozen=True, eq=False)
class Images:
    """The three parts; the test part is only reported."""

    train: ImageSet
    valid: ImageSet
    test: ImageSet

    @classmethod
    def cut(cls) -> "Images":
        """Those of the splits with seed 0."""
        splits = Digits().splits(0, valid_fraction=VALID_FRACTION)
        return cls(splits.search_train, splits.search_valid, splits.test.open())


def train(arch: Architecture, seed: int, images: Images) -> Training:
    """One training and what is kept of it."""
    began = time.process_time()
    net = BLUEPRINT.build(arch, seed)
    done = fit(net, images.train, SETTINGS, seed=seed, fabric=FABRIC, valid=images.valid)
    seconds = time.process_time() - began
    test = evaluate(net, images.test, done.normalise, fabric=FABRIC)["accuracy"]
    curve = [record.valid_accuracy for record in done.curve]
    return {"arch": arch.to_json(), "seed": seed, "valid": curve, "test": test, "seconds": seconds}


class Progress:
    """Finished trainings, one in a line of a file that begins with the settings."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "trainings.jsonl"
        head = json.dumps(
            {"settings": SETTINGS.model_dump(), "valid_fraction": VALID_FRACTION, "torch": torch.__version__}
        )
        if not self.path.exists():
            self.path.write_text(head + "\n")
        text = self.path.read_text()
        whole = text[
            : text.rfind("\n") + 1
        ]  # a line that was being written when the process was killed is lost
        self.path.write_text(whole)
        first, *lines = whole.splitlines()
        if first != head:
            raise SystemExit(f"{self.path} was made with other settings:\n{first}\n{head}")
        self.done = {(line["arch"], line["seed"]): line for line in map(json.loads, lines)}

    def add(self, training: Training) -> None:
        """Keep one."""
        self.done[training["arch"], training["seed"]] = training
        with self.path.open("a") as file:
            file.write(json.dumps(training) + "\n")


def train_all(archs: Sequence[Architecture], progress: Progress) -> None:
    """Whatever is not done yet."""
    images = Images.cut()
    print(f"{images}; {SETTINGS}")
    wanted = [(arch, seed) for arch in archs for seed in SEEDS]
    for number, i in enumerate(np.random.default_rng(0).permutation(len(wanted)), start=1):
        arch, seed = wanted[i]
        if (arch.to_json(), seed) not in progress.done:
            progress.add(train(arch, seed, images))
        if number % 50 == 0:
            print(f"{number} of {len(wanted)} trainings", flush=True)


def latencies(archs: Sequence[Architecture]) -> np.ndarray:
    """Milliseconds of each network for one image: the median over all rounds."""
    image = torch.rand(1, *SHAPE)
    nets = [BLUEPRINT.build(arch, 0).eval() for arch in archs]
    found = np.empty((len(archs), ROUNDS, PASSES))
    rng = np.random.default_rng(0)
    with torch.inference_mode():
        for at in range(ROUNDS):
            for i in rng.permutation(len(nets)):
                for _ in range(WARM):
                    nets[i](image)
                for j in range(PASSES):
                    began = time.perf_counter()
                    nets[i](image)
                    found[i, at, j] = time.perf_counter() - began
    return 1000 * np.median(found, axis=(1, 2))


def table_of(archs: Sequence[Architecture], done: Mapping[tuple[str, int], Training]) -> Table:
    """The table; of the three trainings of a network the mean test accuracy and the median time."""
    kept = [[done[arch.to_json(), seed] for seed in SEEDS] for arch in archs]
    measure = sizes_of(BLUEPRINT, SHAPE, ("parameters", "flops"))
    sizes = [measure(arch) for arch in archs]
    columns = {
        "test_accuracy": np.array([np.mean([t["test"] for t in three]) for three in kept]),
        "parameters": np.array([size["parameters"] for size in sizes]),
        "flops": np.array([size["flops"] for size in sizes]),
        "latency_ms": latencies(archs),
        "seconds": np.array([np.median([t["seconds"] for t in three]) for three in kept]),
    }
    curves = {
        f"val_accuracy_{seed}" if seed else "val_accuracy": np.array([three[seed]["valid"] for three in kept])
        for seed in SEEDS
    }
    space = BLUEPRINT.space
    return Table(space, [tuple(map(arch.get, space.decisions)) for arch in archs], columns, curves)


def facts(table: Table) -> Iterator[str]:
    """What the table is like, line by line."""
    signals = np.array([table.column(name) for name in table.curves])
    report = table.column("test_accuracy")
    yield f"val_accuracy: {spread(signals[0])}"
    yield f"test_accuracy: {spread(report)}"
    yield f"test_accuracy of the best val_accuracy: {report[signals[0].argmax()]:.4f}"
    noise, mean = signals.var(axis=0, ddof=1), signals.mean(axis=0)
    best = noise[mean >= np.quantile(mean, 0.75)]
    yield f"deviation between seeds: {noise.mean() ** 0.5:.4f}, of the best quarter {best.mean() ** 0.5:.4f}"
    yield f"rho of val_accuracy of two seeds: {rho(signals[0], signals[1]):.3f}"
    each = [f"{rho(values, report):.2f}" for values in table.curves["val_accuracy"].T]
    yield f"rho of val_accuracy after each epoch and test_accuracy: {' '.join(each)}"
    for name in ("parameters", "flops", "latency_ms", "seconds"):
        values = table.column(name)
        yield f"{name}: {spread(values)}; rho with test_accuracy {rho(values, report):.2f}"


def spread(values: np.ndarray) -> str:
    """Least and greatest value, and what is between."""
    low, *quartiles, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    between = " ".join(f"{value:.4g}" for value in quartiles)
    return (
        f"{low:.4g} to {high:.4g}, quartiles {between}, deviation {values.std():.4g}, sum {values.sum():.4g}"
    )


def rho(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's."""
    return float(spearmanr(a, b)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--progress", type=Path, default=Path("runs/digits-table"), help="folder of what is done"
    )
    parser.add_argument("--to", type=Path, default=Path("src/nasturtium/tables/digits.npz"))
    parser.add_argument("--pilot", type=int, help="only so many networks, drawn at random; writes no table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    archs = list(BLUEPRINT.space.enumerate())
    if options.pilot is not None:
        drawn = np.random.default_rng(1).choice(len(archs), options.pilot, replace=False)
        archs = [archs[i] for i in drawn]
    progress = Progress(options.progress)
    train_all(archs, progress)
    table = table_of(archs, progress.done)
    print("\n".join(facts(table)))
    if options.pilot is None:
        write_table(options.to, table)


if __name__ == "__main__":
    main()
