"""HW-NAS-Bench, NAS-Bench-Macro and NAS-Bench-Graph."""

import json
import os
import pickle

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space
from nasturtium.spaces.nasbench201 import from_string as cell
from nasturtium.spaces.nasbench_macro import from_string as blocks
from nasturtium.tables import nasbench_graph, nasbench_macro
from nasturtium.tables.files import read_table
from nasturtium.tables.nasbench_graph import from_lists
from nasturtium.tables.releases.known import READERS, reader_of

CELLS = [
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|",
]


def measured(order, **metrics) -> dict:
    return {"config": [{"name": "infer.tiny", "arch_str": CELLS[i]} for i in order], **metrics}


def hardware() -> dict:
    return {
        "nasbench201": {
            "cifar10": measured(
                [0, 1, 2],
                edgegpu_latency=[np.float64(5.8), 1.5, 2.5],
                edgetpu_latency=np.array([0.5, np.nan, 1.0]),
            ),
            "ImageNet16-120": measured([2, 0, 1], fpga_energy=np.array([3.0, 1.0, 2.0])),
        },
        "fbnet": {"edgegpu_latency": {"Skip_H32_W32_Cin16_Cout16_stride1": 0.1}},
    }


def test_hw_nas_bench(tmp_path):
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps(hardware()))
    table = read_table(path)
    assert table.rows([cell(text) for text in CELLS]) == [0, 1, 2]
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "cifar10_edgegpu_latency": [5.8, 1.5, 2.5],
        "imagenet16-120_fpga_energy": [1, 2, 3],
    }


def without(*path):
    def change(parts: dict) -> None:
        for key in path[:-1]:
            parts = parts[key]
        parts.pop(path[-1])

    return change


def with_cells(cells: dict):
    return lambda parts: parts.update(cifar100=cells)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda parts: parts.clear(), "no part 'nasbench201'"),
        (without("cifar10", "config"), "of cifar10 is in another form.*'config'"),
        (without("cifar10", "config", 0), "of cifar10 can't be read"),
        (without("ImageNet16-120", "config", 0), "of ImageNet16-120 can't be read.*each once"),
        (with_cells(measured([0, 0, 1])), "of cifar100 can't be read.*each once"),
        (with_cells({"config": [{"arch_str": "|x~0|"}]}), "of cifar100 can't be read.*is no cell"),
        (with_cells({"config": [{}]}), "of cifar100 is in another form.*'arch_str'"),
        (with_cells(measured([0, 1, 2], fpga_energy=[1.0])), "of cifar100 can't be read"),
    ],
)
def test_other_files_are_no_hw_nas_bench(tmp_path, change, why):
    data = hardware()
    change(data["nasbench201"])
    path = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(UsageError, match=why):
        read_table(path)
    cells = measured([0], edgetpu_latency=[None])
    path.write_bytes(pickle.dumps({"nasbench201": {"cifar10": cells}}))
    with pytest.raises(UsageError, match="no metric is known of every cell"):
        read_table(path)


NETWORKS = {
    "01210121": {"test_acc": [92.5, 93.0, 93.5], "mean_acc": 93.0, "std": 0.4, "params": 2500, "flops": 9},
    "00000000": {"test_acc": [80.0, 81.0, 85.0], "mean_acc": 82.0, "std": 2.2, "params": 500, "flops": 3},
}


def test_nasbench_macro(tmp_path):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(json.dumps(NETWORKS))
    table = read_table(path)
    assert table.rows([blocks(digits) for digits in reversed(NETWORKS)]) == [1, 0]
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "cifar10_test_acc": [93, 82],
        "cifar10_test_acc_1": [92.5, 80],
        "cifar10_test_acc_2": [93, 81],
        "cifar10_test_acc_3": [93.5, 85],
        "params": [2500, 500],
        "flops": [9, 3],
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "can't be read as JSON"),
        ("[]", "no JSON object of networks"),
        (json.dumps({"0121012": {}}), "has 7 digits"),
        (json.dumps({"01210123": {}}), "layer 'stage3/layer3' got '3'"),
        (json.dumps({"01210121": {"test_acc": [1]}}), "another form.*'mean_acc'"),
        (json.dumps({**NETWORKS, "00000001": {**NETWORKS["00000000"], "test_acc": [1]}}), "another form"),
    ],
)
def test_other_files_are_no_nasbench_macro(tmp_path, text, why):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=why):
        read_table(path)


@pytest.mark.parametrize(
    ("facts", "name", "shape"),
    [(nasbench_macro, "nasbench-macro", (3, 8, 8)), (nasbench_graph, "nasbench-graph", (6,))],
)
def test_the_spaces_are_those_of_the_networks(facts, name, shape):
    network = make_space(name, shape, 10).space
    assert facts.SPACE.to_dict() == network.to_dict()
    rng = np.random.default_rng(0)
    for arch in (facts.SPACE.sample(rng) for _ in range(30)):
        assert facts.SPACE.canonical(arch) == network.canonical(arch)


def found(start: float) -> dict:
    return {"valid_perf": start, "perf": np.float64(start / 2), "latency": 0.25, "para": np.float64(1.5)}


# links 0 (all nodes on the features) and 6 (the second and the third on the first); cheb is 3, fc 7, gcn 1, …
BENCH = {1111: found(0.5), 61237: found(0.75), 88811: found(0.25)}


def test_nasbench_graph(tmp_path):
    path = tmp_path / "cora.bench"
    path.write_bytes(pickle.dumps(BENCH, 3))
    table = read_table(path)
    example = from_lists([0, 1, 2, 1], ["gcn", "gin", "fc", "cheb"])
    same = from_lists([0, 1, 1, 2], ["gcn", "gin", "cheb", "fc"])
    two = from_lists([0, 1, 2, 3], ["skip", "gcn", "skip", "gcn"])
    assert table.rows([example, same, two, from_lists([0, 0, 0, 0], ["gcn"] * 4)]) == [1, 1, 2, 0]
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "cora_val_perf": [0.5, 0.75, 0.25],
        "cora_test_perf": [0.25, 0.375, 0.125],
        "cora_latency": [0.25] * 3,
        "cora_params": [1.5] * 3,
    }
    assert table.space.decisions["node2/operation"].options == ("gcn", "gin", "cheb", "fc", "skip")
    with pytest.raises(UsageError, match="node2/operation' got 'gat'; allowed"):
        table.rows([from_lists([0, 0, 0, 0], ["gcn", "gat", "gcn", "gcn"])])


def test_nasbench_graph_with_every_epoch(tmp_path):
    epochs = [[0.9, 0.5, 0.4, 1.0, 2.0, 3.0, 0.4], [0.95, 0.75, 0.5, 1.0, 2.0, 3.0, 0.5]]
    path = tmp_path / "cora0.bench"
    path.write_bytes(
        pickle.dumps({1111: {"dur": epochs, **found(0.5)}, 61237: {"dur": epochs[::-1], **found(1)}})
    )
    table = read_table(path)
    assert {name: curve.tolist() for name, curve in table.curves.items()} == {
        "cora_val_perf": [[0.5, 0.75], [0.75, 0.5]],
        "cora_test_perf": [[0.4, 0.5], [0.5, 0.4]],
    }
    assert table.column("cora_val_perf").tolist() == [0.75, 0.5]
    assert table.column("cora_params").tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ([], "no dictionary of networks"),
        ({}, "no dictionary of networks"),
        ({1111: {}}, "neither 'valid_perf' and 'perf' nor 'dur'"),
        ({1111: found(1), 61237: {}}, "another form.*'valid_perf'"),
        ({1111: {"dur": [1]}}, "another form"),
        ({91111: found(1)}, "91111 is not the number of a network"),
        ({1911: found(1)}, "1911 is not the number of a network"),
        ({8888: found(1)}, "8888 is not the number of a network"),
        ({2111: found(1)}, "the network with the number 2111 has the number 1112"),  # the smallest of equals
        ({-1: found(1)}, "-1 is not the number of a network"),
        ({"cora": found(1)}, "'cora' is not the number of a network"),
    ],
)
def test_other_files_are_no_nasbench_graph(tmp_path, data, why):
    path = tmp_path / "cora.bench"
    path.write_bytes(pickle.dumps(data))
    with pytest.raises(UsageError, match=why):
        read_table(path)


class Call:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("suffix", [".pickle", ".bench"])
def test_a_release_can_not_run_anything(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pickle.dumps({"nasbench201": Call(os.system, f"touch {tmp_path / 'marker'}")}))
    with pytest.raises(UsageError, match=rf"x\{suffix}: it asks for posix\.system, which no table needs"):
        read_table(path)
    assert not (tmp_path / "marker").exists()


def test_releases_are_known_by_their_names_and_tables_are_none(tmp_path):
    assert {reader_of(tmp_path / f"x{suffix}") for suffix in READERS} == set(READERS.values())
    assert reader_of(tmp_path / "nasbench201.csv.gz") is None
    assert reader_of(tmp_path / "x.tfrecord.csv") is None
