import bz2
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity
from nasturtium.spaces.nasbench201 import from_string as cell
from nasturtium.spaces.natsbench_size import from_string as sizes
from nasturtium.spaces.natsbench_size import natsbench_size
from nasturtium.tables import natsbench_size as facts
from nasturtium.tables.files import read_table
from nasturtium.tables.releases import natsbench

CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]
SIZES = ["8:8:8:8:8", "64:8:16:24:32", "8:16:8:64:56"]
IMAGES = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


def training(dataset: str, seed: int, epochs: int, base: float, *, old: bool = False) -> dict:
    """What is saved of one training: its accuracies rise by 1 an epoch. Of old ones, validation and test on
    CIFAR-100 and ImageNet are known after the last epoch only, and times not at all.
    """
    at = {"x-valid": 0, "x-test": 10, "ori-test": 20}
    accuracies = {
        f"{images}@{epoch}": base + seed + at[images] + epoch
        for images in IMAGES[dataset]
        for epoch in range(epochs)
        if not (old and len(IMAGES[dataset]) == 3 and images != "ori-test" and epoch < epochs - 1)
    }
    return {
        "name": dataset,
        "net_state_dict": torch.nn.Linear(1, 1).state_dict(),
        "train_acc1es": dict.fromkeys(range(epochs), 1.0),
        "train_acc5es": None,
        "train_losses": OrderedDict((epoch, base - epoch) for epoch in range(epochs)),
        "train_times": None if old else dict.fromkeys(range(epochs), 0.5 * (seed + 1)),
        "arch_config": {"channel": 16, "num_cells": 5, "class_num": 10},
        "params": np.float64(0.5) + base,
        "flop": 3.5 + base,
        "seed": seed,
        "epochs": epochs,
        "latency": [0.25, 0.75],
        "eval_names": list(IMAGES[dataset]),
        "eval_acc1es": accuracies,
        "eval_losses": {},
        "eval_times": {},
    }


def results(number: int, name: str, epochs: int, seeds=(0,), datasets=tuple(IMAGES), old=False) -> dict:
    """What is saved of one architecture in one schedule."""
    return {
        "arch_index": number,
        "arch_str": name,
        "all_results": {
            (dataset, seed): training(dataset, seed, epochs, 10.0 * number, old=old)
            for dataset in datasets
            for seed in seeds
        },
        "dataset_seed": {dataset: list(seeds) for dataset in datasets},
        "clear_net_done": False,
    }


def whole(names, schedules) -> dict:
    infos = {number: schedules(number, name) for number, name in enumerate(names)}
    return {
        "meta_archs": list(names),
        "total_archs": len(names),
        "arch2infos": infos,
        "evaluated_indexes": set(infos),
    }


def packed(path: Path, data: object) -> None:
    path.write_bytes(bz2.compress(pickle.dumps(data, 4)))


def topology(number: int, name: str) -> dict:
    return OrderedDict(
        {"12": results(number, name, 2), "200": results(number, name, 3, seeds=(0, 4)[: 2 - number % 2])}
    )


def test_the_space_of_sizes_is_that_of_the_network():
    assert facts.SPACE.to_dict() == natsbench_size((3, 8, 8), 10).space.to_dict()
    assert [sizes(name) for name in SIZES] == [
        a for name in SIZES for a in facts.SPACE.enumerate() if tuple(a.values()) == facts.row_of(name)
    ]


def check_topology(table) -> None:
    rows = table.rows([cell(name) for name in CELLS])
    assert rows == [0, 1]
    columns = {name: column.tolist() for name, column in table.columns.items() if name not in table.curves}
    assert columns == {
        "cifar10_val_acc_2ep": [1, 11],
        "cifar10_test_acc_2ep": [21, 31],
        "cifar100_val_acc_2ep": [1, 11],
        "cifar100_test_acc_2ep": [11, 21],
        "imagenet16-120_val_acc_2ep": [1, 11],
        "imagenet16-120_test_acc_2ep": [11, 21],
        **{f"{d}_train_loss_2ep": [-1, 9] for d in natsbench.TRAINED},
        **{f"{d}_train_seconds_2ep": [1, 1] for d in natsbench.TRAINED},
        **{f"{d}_train_seconds_3ep": [4.5, 1.5] for d in natsbench.TRAINED},  # seeds 0 and 4, or only 0
        **{f"{d}_params": [0.5, 10.5] for d in natsbench.TRAINED},
        **{f"{d}_flops": [3.5, 13.5] for d in natsbench.TRAINED},
        **{f"{d}_latency": [0.5, 0.5] for d in natsbench.TRAINED},
    }
    assert {name: curve.tolist() for name, curve in table.curves.items()} == {
        "cifar10_val_acc_3ep": [[2, 3, 4], [10, 11, 12]],
        "cifar10_test_acc_3ep": [[22, 23, 24], [30, 31, 32]],
        "cifar100_val_acc_3ep": [[2, 3, 4], [10, 11, 12]],
        "cifar100_test_acc_3ep": [[12, 13, 14], [20, 21, 22]],
        "imagenet16-120_val_acc_3ep": [[2, 3, 4], [10, 11, 12]],
        "imagenet16-120_test_acc_3ep": [[12, 13, 14], [20, 21, 22]],
        **{f"{d}_train_loss_3ep": [[0, -1, -2], [10, 9, 8]] for d in natsbench.TRAINED},
    }


def test_a_file_of_all_cells(tmp_path):
    path = tmp_path / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
    packed(path, whole(CELLS, topology))
    table = read_table(path)
    check_topology(table)
    job = Job(0, cell(CELLS[1]), Fidelity(2), seed=0, workdir=tmp_path)
    assert table.evaluate(job, lambda *_: True).metrics["cifar10_val_acc_3ep"] == 11


def test_a_folder_with_a_file_for_each_cell(tmp_path):
    folder = tmp_path / "NATS-tss-v1_0-3ffb9-simple"
    folder.mkdir()
    packed(folder / "meta.pickle.pbz2", {**whole(CELLS, topology), "arch2infos": None})
    for number, name in enumerate(CELLS):
        packed(folder / f"{number:06d}.pickle.pbz2", topology(number, name))
    check_topology(read_table(folder))
    (folder / "000001.pickle.pbz2").unlink()
    with pytest.raises(UsageError, match="simple: 000001.pickle.pbz2: it can't be read: No such file"):
        read_table(folder)
    with pytest.raises(UsageError, match="meta.pickle.pbz2: it can't be read: No such file"):
        read_table(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_the_file_of_nasbench201_with_weights_and_old_trainings(tmp_path, zipped):
    """As version 1.0: 12 epochs for validation on CIFAR-10 only, and of the rest not all after each epoch."""

    def schedules(number, name):
        return {
            "full": results(number, name, 3, old=True),
            "less": results(number, name, 2, datasets=["cifar10-valid"]),
        }

    path = tmp_path / "NAS-Bench-201-v1_0-e61699.pth"
    torch.save(whole(CELLS, schedules), path, _use_new_zipfile_serialization=zipped)
    table = read_table(path)
    assert {name: curve.tolist() for name, curve in table.curves.items() if "acc" in name} == {
        "cifar10_val_acc_3ep": [[0, 1, 2], [10, 11, 12]],
        "cifar10_test_acc_3ep": [[20, 21, 22], [30, 31, 32]],
    }
    columns = {name: c.tolist() for name, c in table.columns.items() if name not in table.curves}
    assert {name: values for name, values in columns.items() if "acc" in name} == {
        "cifar100_val_acc_3ep": [2, 12],
        "cifar100_test_acc_3ep": [12, 22],
        "imagenet16-120_val_acc_3ep": [2, 12],
        "imagenet16-120_test_acc_3ep": [12, 22],
        "cifar10_val_acc_2ep": [1, 11],
    }
    assert [name for name in columns if "seconds" in name] == ["cifar10_train_seconds_2ep"]


def test_sizes(tmp_path):
    path = tmp_path / "NATS-sss-v1_0-50262.pickle.pbz2"
    schedules = (("01", 1), ("12", 2), ("90", 4))
    packed(path, whole(SIZES, lambda i, name: {hp: results(i, name, e, (777,)) for hp, e in schedules}))
    table = read_table(path)
    assert table.rows([sizes(name) for name in reversed(SIZES)]) == [2, 1, 0]
    assert table.column("cifar10_val_acc_1ep").tolist() == [777, 787, 797]
    assert table.column("cifar10_val_acc_4ep", 2).tolist() == [778, 788, 798]
    assert table.epochs == 4


def test_a_column_that_is_not_known_of_every_architecture_is_left_out(tmp_path):
    path = tmp_path / "x.pickle.pbz2"
    data = whole(CELLS, topology)
    del data["arch2infos"][1]["200"]["dataset_seed"]["cifar100"]
    del data["arch2infos"][0]["200"]["all_results"]["ImageNet16-120", 0]["eval_acc1es"]["x-test@2"]
    packed(path, data)
    names = read_table(path).metrics
    assert {"cifar10_val_acc_3ep", "imagenet16-120_val_acc_3ep", "cifar100_val_acc_2ep"} <= set(names)
    assert not {"cifar100_val_acc_3ep", "cifar100_train_loss_3ep", "imagenet16-120_test_acc_3ep"} & set(names)


def without(*path):
    def change(data: dict) -> None:
        for key in path[:-1]:
            data = data[key]
        data.pop(path[-1])

    return change


def renamed(name):
    return lambda data: data["meta_archs"].__setitem__(0, name)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (without("meta_archs"), "no list 'meta_archs'"),
        (lambda data: data.update(arch2infos=5), "has no results"),
        (lambda data: data["arch2infos"].update({1: [5]}), r"results of architecture \|none~0.*another form"),
        (without("arch2infos"), r"architecture 0, \|avg_pool_3x3~0\|.*, has no results"),
        (without("arch2infos", 1), r"architecture 1, \|none~0\|.*, has no results"),
        (without("arch2infos", 1, "200", "all_results"), r"results of architecture \|none~0.*'all_results'"),
        (without("arch2infos", 1, "12", "all_results", ("cifar10", 0)), r"another form.*\('cifar10', 0\)"),
        (without("arch2infos", 0, "12", "all_results", ("cifar10", 0), "epochs"), "another form.*'epochs'"),
        (renamed("|conv~0|"), r"'\|conv~0\|' is no cell of NAS-Bench-201"),
        (renamed(3), "no list 'meta_archs'"),
        (renamed(CELLS[1]), "rows 1 and 2 are of one architecture"),
        (lambda data: data["meta_archs"].clear(), "holds no architectures"),
    ],
)
def test_files_in_another_form_are_refused_with_the_place(tmp_path, change, why):
    path = tmp_path / "x.pickle.pbz2"
    data = whole(CELLS, topology)
    change(data)
    packed(path, data)
    with pytest.raises(UsageError, match=why) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_sizes_that_the_space_has_not_are_refused(tmp_path):
    path = tmp_path / "x.pickle.pbz2"
    for name, why in [("8:8:8:8", "has 4 widths"), ("8:8:8:8:9", "'layer5/channels' got '9'")]:
        packed(path, whole([name], topology))
        with pytest.raises(UsageError, match=why):
            read_table(path)


def test_files_that_unpack_to_too_much_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(natsbench, "MOST_WHOLE", 1000)
    path = tmp_path / "x.pickle.pbz2"
    packed(path, whole(CELLS, topology))
    with pytest.raises(UsageError, match="unpacks to over 1,000 bytes"):
        read_table(path)
