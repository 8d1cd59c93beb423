from pathlib import Path

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Cost, Fidelity
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.base import Table

SPACE = SearchSpace(
    [Decision("depth", (1, 2)), Decision("op", ("conv", "pool"))],
    {"op": frozenset({frozenset({When("depth", frozenset({2}))})})},
)
ROWS = [(1, None), (2, "conv"), (2, "pool")]
TABLE = Table(SPACE, ROWS, {"accuracy": np.array([0.5, 0.9, 0.7]), "size": np.array([1.0, 3.0, 2.0])})


def arch(**values) -> Architecture:
    return Architecture(values)


def test_every_architecture_has_its_row_in_any_order_of_its_decisions():
    assert TABLE.rows([arch(op="pool", depth=2), arch(depth=1), arch(depth=2, op="conv")]) == [2, 0, 1]
    assert TABLE.rows(list(SPACE.enumerate())) == [0, 1, 2]
    assert len(TABLE) == 3
    assert list(TABLE) == ROWS


def test_it_answers_as_an_estimator_for_one_query():
    job = Job(0, arch(depth=2, op="conv"), Fidelity(1), seed=0, workdir=Path())
    found = TABLE.evaluate(job, lambda *_: True)
    assert found.metrics == {"accuracy": 0.9, "size": 3.0}
    assert found.cost == Cost(queries=1)
    assert TABLE.metrics == ("accuracy", "size")


def test_what_is_not_there_is_refused_by_name():
    with pytest.raises(UsageError, match="decision 'op' is missing"):
        TABLE.rows([arch(depth=1), arch(depth=2)])
    with pytest.raises(UsageError, match="the table has no row for it"):
        Table(SPACE, ROWS[:1], {"accuracy": np.ones(1)}).rows([arch(depth=2, op="conv")])
    with pytest.raises(UsageError, match="did you mean 'accuracy'"):
        TABLE.column("acuracy")


def test_tables_that_contradict_themselves_are_refused():
    with pytest.raises(UsageError, match="rows 1 and 3 are of one architecture"):
        Table(SPACE, [ROWS[0], ROWS[1], ROWS[0]], {"accuracy": np.ones(3)})
    with pytest.raises(UsageError, match="column 'accuracy' has 2 values for 3 rows"):
        Table(SPACE, ROWS, {"accuracy": np.ones(2)})


CURVED = Table(
    SPACE,
    ROWS,
    {"size": np.array([1.0, 3.0, 2.0])},
    {"accuracy": np.array([[0.1, 0.5], [0.2, 0.9], [0.3, 0.7]])},
)


def test_a_curve_has_a_value_after_each_epoch_and_the_last_is_the_column():
    assert CURVED.epochs == 2
    assert CURVED.metrics == ("size", "accuracy")
    assert CURVED.column("accuracy").tolist() == [0.5, 0.9, 0.7]
    assert CURVED.column("accuracy", 1).tolist() == [0.1, 0.2, 0.3]
    assert CURVED.column("size", 1).tolist() == [1.0, 3.0, 2.0]
    job = Job(0, arch(depth=2, op="conv"), Fidelity(1), seed=0, workdir=Path())
    assert CURVED.evaluate(job, lambda *_: True).metrics == {"size": 3.0, "accuracy": 0.2}
    with pytest.raises(UsageError, match="after 1 to 2 epochs, not 3"):
        CURVED.column("accuracy", 3)


def test_curves_that_contradict_are_refused():
    with pytest.raises(UsageError, match="'accuracy' is both a column and a curve"):
        Table(SPACE, ROWS, {"accuracy": np.ones(3)}, {"accuracy": np.ones((3, 2))})
    with pytest.raises(UsageError, match="curve 'b' has 3 epochs, another one 2|curve 'a' has 2"):
        Table(SPACE, ROWS, {}, {"a": np.ones((3, 2)), "b": np.ones((3, 3))})
    with pytest.raises(UsageError, match="column 'a' has 2 values for 3 rows"):
        Table(SPACE, ROWS, {}, {"a": np.ones((2, 2))})


def test_architectures_with_the_same_key_share_a_row():
    keyed = Table(SPACE, ROWS[::2], {"size": np.array([1.0, 3.0])}, key=size)
    archs = [arch(depth=1), arch(depth=2, op="pool"), arch(depth=2, op="conv")]
    assert keyed.rows(archs) == [0, 1, 1]
    assert list(keyed.keys) == ["small", "large"]
    assert list(keyed) == ROWS[::2]
    with pytest.raises(UsageError, match="unknown decision 'width'"):
        keyed.rows([arch(width=1)])
    with pytest.raises(UsageError, match="the table has no row for it"):
        Table(SPACE, ROWS[:1], {"size": np.ones(1)}, key=size).rows(archs)
    with pytest.raises(UsageError, match="rows 2 and 3 are of one architecture"):
        Table(SPACE, ROWS, {"size": np.ones(3)}, key=size)


def size(arch: Architecture) -> str:
    return {1: "small", 2: "large"}[arch["depth"]]
