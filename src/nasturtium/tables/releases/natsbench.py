"""The releases of NAS-Bench-201 (Dong & Yang 2020, https://arxiv.org/abs/2001.00326),
`NAS-Bench-201-v1_*.pth`, and of NATS-Bench (Dong et al. 2021, https://arxiv.org/abs/2009.00437), topology and
size: `NATS-tss-v1_0-3ffb9.pickle.pbz2`, `NATS-sss-v1_0-50262.pickle.pbz2`, and the folders `…-simple`, which
need far less memory, because they have a file for each architecture and are read one by one.

A file is a dictionary with `meta_archs`, the architectures as text, and `arch2infos`, which has for the
number of each a dictionary of schedules (`12` and `200`, in NAS-Bench-201 `less` and `full`; `01`, `12` and
`90`). A schedule holds `dataset_seed`, the seeds by data set, and `all_results`, the trainings by (data set,
seed), each with `epochs`, `params`, `flop`, `latency`, `train_losses` and `train_times` by epoch, and
`eval_acc1es` by `<images>@<epoch>`. In a folder, `meta.pickle.pbz2` has the architectures and
`000000.pickle.pbz2`, … the schedules of each. This is described by `nats_bench/api_utils.py` of
https://github.com/D-X-Y/NATS-Bench, `nas_201_api/api_201.py` of https://github.com/D-X-Y/NAS-Bench-201, and
`exps/NATS-Bench/tss-collect.py` of https://github.com/D-X-Y/AutoDL-Projects.

Columns, for D of cifar10, cifar100 and imagenet16-120 and the E epochs of each schedule, are means over
seeds: `<D>_val_acc_<E>ep` and `<D>_test_acc_<E>ep` in percent, `<D>_train_loss_<E>ep`,
`<D>_train_seconds_<E>ep` in all, and `<D>_params` and `<D>_flops` in 10⁶ and `<D>_latency` in seconds. On
CIFAR-10 the test accuracy is that of networks trained with the validation images as well, all else of those
trained without. Accuracies and losses of the longest schedule are curves where they are known after every
epoch of every architecture. A column that is not known of every architecture is left out: version 1.0 has no
CIFAR-100 after 12 epochs.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.tables import nasbench201, natsbench_size
from nasturtium.tables.base import Table
from nasturtium.tables.restricted_pickle import load_bz2, load_torch

META = "meta.pickle.pbz2"
MOST_WHOLE = 16 << 30  # bytes unpacked; three trainings of all cells on four data sets would be 6 GiB
MOST_SINGLE = 1 << 30
ACCURACIES = {  # the data set that is trained on, and the images
    "cifar10_val_acc": ("cifar10-valid", "x-valid"),
    "cifar10_test_acc": ("cifar10", "ori-test"),
    "cifar100_val_acc": ("cifar100", "x-valid"),
    "cifar100_test_acc": ("cifar100", "x-test"),
    "imagenet16-120_val_acc": ("ImageNet16-120", "x-valid"),
    "imagenet16-120_test_acc": ("ImageNet16-120", "x-test"),
}
TRAINED = {"cifar10": "cifar10-valid", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}

Measured = dict[str, np.ndarray]
"""Of one architecture: a value after each epoch by name, NaN where it is not known, or a single value."""


def read(path: Path) -> Table:
    """The table in a file or folder; raises `UsageError` for one that is not as said above, for architectures
    of another space, and where architectures are without results.
    """
    names: list[str] = []
    measured: list[Measured] = []
    for name, schedules in _folder(path) if path.is_dir() else _whole(path):
        try:
            measured.append(_measured(schedules))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"results of architecture {name} are in another form: {error!r}") from None
        names.append(name)
    if not names:
        raise UsageError("it holds no architectures")
    columns, curves = _columns(measured)
    if not columns and not curves:
        raise UsageError("no accuracy is known of every architecture")
    kind = natsbench_size if ":" in names[0] else nasbench201
    return Table(kind.SPACE, map(kind.row_of, names), columns, curves)


def _whole(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The architectures of a file that has all, with their schedules."""
    data = load_torch(path) if path.suffix == ".pth" else load_bz2(path, MOST_WHOLE)
    names, results = _names(data), data.get("arch2infos")
    for number, name in enumerate(names):
        if not isinstance(results, dict) or number not in results:
            raise UsageError(f"architecture {number}, {name}, has no results")
        yield name, results.pop(number)  # so that it can be forgotten


def _folder(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The architectures of a folder, with their schedules."""
    for number, name in enumerate(_names(_loaded(path / META))):
        yield name, _loaded(path / f"{number:06d}.pickle.pbz2")


def _loaded(path: Path) -> Any:
    try:
        return load_bz2(path, MOST_SINGLE)
    except UsageError as error:
        raise UsageError(f"{path.name}: {error}") from None


def _names(data: Any) -> list[str]:
    names = data.get("meta_archs") if isinstance(data, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError("it has no list 'meta_archs' of architectures, as files of NATS-Bench do")
    return names


def _measured(schedules: Mapping[str, Any]) -> Measured:
    """What is known of an architecture; costs are those of the last schedule."""
    found: Measured = {}
    for schedule in schedules.values():
        trainings = {
            dataset: [schedule["all_results"][dataset, seed] for seed in seeds]
            for dataset, seeds in schedule["dataset_seed"].items()
        }
        for name, (dataset, images) in ACCURACIES.items():
            for epochs in _epochs(trainings.get(dataset, [])):
                known = [_series(run["eval_acc1es"], images, epochs) for run in trainings[dataset]]
                found[f"{name}_{epochs}ep"] = np.mean(known, axis=0)
        for name, dataset in TRAINED.items():
            found |= _costs(name, trainings.get(dataset, []))
    return found


def _epochs(runs: Sequence[Mapping[str, Any]]) -> set[int]:
    """The number of epochs of all trainings; empty without any."""
    epochs = {int(run["epochs"]) for run in runs}
    if len(epochs) > 1:
        raise ValueError(f"one schedule has trainings of {sorted(epochs)} epochs")
    return epochs


def _series(values: Mapping[str, float], images: str, epochs: int) -> np.ndarray:
    return np.array([values.get(f"{images}@{epoch}", np.nan) for epoch in range(epochs)], dtype=float)


def _costs(name: str, runs: Sequence[Mapping[str, Any]]) -> Measured:
    """Losses, seconds, sizes and latency of the trainings on one data set."""
    found: Measured = {}
    for epochs in _epochs(runs):
        losses = [[run["train_losses"][epoch] for epoch in range(epochs)] for run in runs]
        found[f"{name}_train_loss_{epochs}ep"] = np.mean(losses, axis=0)
        if all(run.get("train_times") for run in runs):
            seconds = [sum(run["train_times"][epoch] for epoch in range(epochs)) for run in runs]
            found[f"{name}_train_seconds_{epochs}ep"] = np.mean(seconds, keepdims=True)
        found[f"{name}_params"] = np.mean([run["params"] for run in runs], keepdims=True)
        found[f"{name}_flops"] = np.mean([run["flop"] for run in runs], keepdims=True)
        latency = [np.mean(run["latency"]) for run in runs if run.get("latency")]
        if latency:
            found[f"{name}_latency"] = np.mean(latency, keepdims=True)
    return found


def _columns(measured: Sequence[Measured]) -> tuple[Measured, Measured]:
    """The columns and the curves that are known of every architecture."""
    shared = [name for name in measured[0] if all(name in values for values in measured)]
    tables = {name: np.stack([values[name] for values in measured]) for name in shared}
    longest = max((table.shape[1] for table in tables.values()), default=0)
    columns, curves = {}, {}
    for name, table in tables.items():
        if table.shape[1] == longest > 1 and np.isfinite(table).all():
            curves[name] = table
        elif np.isfinite(table[:, -1]).all():
            columns[name] = table[:, -1]
    return columns, curves
