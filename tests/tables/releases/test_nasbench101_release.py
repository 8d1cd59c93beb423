import base64
import json
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.nasbench101 import nasbench101
from nasturtium.tables.files import read_table
from nasturtium.tables.nasbench101 import OPS, SPACE, Spec, from_spec, module_hash
from record_files import write_records

CONV3, CONV1, POOL = OPS


def metrics_message():
    """The benchmark's ModelMetrics, compiled by Google's own package."""
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="nasbench", syntax="proto2")
    metrics, evaluation = file.message_type.add(name="ModelMetrics"), file.message_type.add(name="Evaluation")
    kinds = descriptor_pb2.FieldDescriptorProto
    metrics.field.add(
        name="evaluation_data", number=1, label=3, type=kinds.TYPE_MESSAGE, type_name=".nasbench.Evaluation"
    )
    metrics.field.add(name="trainable_parameters", number=2, label=1, type=kinds.TYPE_INT32)
    metrics.field.add(name="total_time", number=3, label=1, type=kinds.TYPE_DOUBLE)
    for number, name in enumerate(("epoch", "seconds", "train", "valid", "test"), start=1):
        evaluation.field.add(name=name, number=number, label=1, type=kinds.TYPE_DOUBLE)
    evaluation.field.add(name="checkpoint_path", number=6, label=1, type=kinds.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("nasbench.ModelMetrics"))


MODEL_METRICS = metrics_message()


def spec(vertices: int, edges, ops) -> Spec:
    matrix = [[int((s, t) in edges) for t in range(vertices)] for s in range(vertices)]
    return Spec(matrix, ["input", *ops, "output"])


CHAIN = spec(3, {(0, 1), (1, 2)}, [CONV3])
DIAMOND = spec(4, {(0, 1), (0, 2), (1, 3), (2, 3)}, [CONV3, POOL])
MIRRORED = spec(4, {(0, 1), (0, 2), (1, 3), (2, 3)}, [POOL, CONV3])
FULL = spec(7, {(i, i + 1) for i in range(6)} | {(0, 6), (0, 3), (1, 6)}, [CONV3, CONV1, POOL, CONV1, CONV3])


def record(cell: Spec, epochs: int, valid: float, test: float, seconds: float, params: int = 227274, **other):
    metrics = MODEL_METRICS(trainable_parameters=params, total_time=2 * seconds)
    for share in (0, 0.5, 1):
        metrics.evaluation_data.add(
            epoch=share * epochs,
            seconds=share * seconds,
            train=share,
            valid=share * valid,
            test=share * test,
            checkpoint_path="x" * 200,
        )
    fields = {
        "key": module_hash(cell),
        "epochs": epochs,
        "matrix": "".join(str(digit) for row in cell.matrix for digit in row),
        "operations": ",".join(cell.ops),
        "metrics": base64.b64encode(metrics.SerializeToString()).decode(),
    }
    return json.dumps(list((fields | other).values())).encode()


def written(folder: Path, records) -> Path:
    write_records(folder / "nasbench.tfrecord", records)
    return folder / "nasbench.tfrecord"


def test_the_space_is_that_of_the_network():
    network = nasbench101((3, 8, 8), 10).space
    assert SPACE.to_dict() == network.to_dict()
    rng = np.random.default_rng(0)
    for arch in (SPACE.sample(rng) for _ in range(30)):
        assert arch in network
        assert SPACE.canonical(arch) == network.canonical(arch)


def test_columns_are_means_over_trainings_by_epochs(tmp_path):
    path = written(
        tmp_path,
        [
            record(CHAIN, 4, 0.5, 0.25, 10),
            record(DIAMOND, 4, 0.75, 0.5, 20, params=3),
            record(CHAIN, 4, 0.75, 0.5, 14),
            record(CHAIN, 108, 0.875, 0.75, 100),
            record(DIAMOND, 108, 1.0, 0.5, 200, params=3),
        ],
    )
    table = read_table(path)
    assert len(table) == 2
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "params": [227274, 3],
        "cifar10_val_acc_4ep": [62.5, 75],
        "cifar10_test_acc_4ep": [37.5, 50],
        "cifar10_train_seconds_4ep": [12, 20],
        "cifar10_val_acc_108ep": [87.5, 100],
        "cifar10_test_acc_108ep": [75, 50],
        "cifar10_train_seconds_108ep": [100, 200],
    }


def test_all_architectures_of_a_cell_have_its_row(tmp_path):
    table = read_table(written(tmp_path, [record(c, 108, 0.5, 0.5, 1) for c in (CHAIN, DIAMOND, FULL)]))
    assert table.rows([from_spec(*c) for c in (FULL, MIRRORED, CHAIN, DIAMOND)]) == [2, 1, 0, 1]
    unused = Architecture({**from_spec(*CHAIN), "cell/4/op": POOL, "cell/4<-3": 1})  # nothing leads there
    assert unused in SPACE
    assert table.rows([unused]) == [0]
    with pytest.raises(UsageError, match="the table has no row for it"):
        table.rows([from_spec(*CHAIN), from_spec(*spec(3, {(0, 1), (1, 2)}, [POOL]))])
    with pytest.raises(UsageError, match="unknown decision 'width'"):
        table.rows([Architecture({"width": 3})])


BROKEN = "AAAA"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (b"{", "record 2 is no training"),
        (b"[1, 2]", "record 2 is no training.*not enough values"),
        (record(DIAMOND, 4, 1, 1, 1, metrics="?"), "record 2 is no training"),
        (record(DIAMOND, 4, 1, 1, 1, metrics=BROKEN), "record 2 is no training"),
        (record(DIAMOND, 4, 1, 1, 1, metrics=""), "record 2 is no training"),
        (record(DIAMOND, 4, 1, 1, 1, key="0" * 32), f"hash {'0' * 32} has the hash {module_hash(DIAMOND)}"),
        (record(DIAMOND, 4, 1, 1, 1, operations="input,conv,conv,output"), "vertex 1 got 'conv'"),
        (record(DIAMOND, 4, 1, 1, 1, matrix="0" * 16), "record 2.*does not lead to its output"),
        (record(DIAMOND, 4, 1, 1, 1, matrix="01"), "record 2 is no training"),
        (record(DIAMOND, 12, 1, 1, 1), f"cell {module_hash(DIAMOND)} has no training of 4 epochs"),
    ],
)
def test_records_that_are_no_trainings_are_refused(tmp_path, bad, why):
    path = written(tmp_path, [record(CHAIN, 4, 0.5, 0.5, 1), bad])
    with pytest.raises(UsageError, match=why) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_cut_off_or_empty_is_refused(tmp_path):
    path = written(tmp_path, [record(CHAIN, 4, 0.5, 0.5, 1)] * 2)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UsageError, match="record 2 is cut off"):
        read_table(path)
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="it holds no records"):
        read_table(path)
