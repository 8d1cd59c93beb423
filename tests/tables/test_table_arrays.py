import io
import json
from pathlib import Path

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.conditions import When
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.tables.arrays import write_table
from nasturtium.tables.base import Table
from nasturtium.tables.files import read_table
from nasturtium.tables.nasbench201 import SPACE

DECLARED = SearchSpace(
    [Decision("depth", (1, 2), ordered=True), Decision("cell/1", ("a", "b")), Decision("in", (0, 1, 2), k=2)],
    {"cell/1": frozenset({frozenset({When("depth", frozenset({2}))})})},
)
ROWS = [(2, "b", (0, 2)), (1, None, (0, 1)), (2, "a", (1, 2))]
TABLE = Table(
    DECLARED,
    ROWS,
    {"size": np.array([3.0, 1.0, 2.0])},
    {"accuracy": np.array([[0.1, 0.5], [0.2, 0.9], [1 / 3, 0.7]])},
)
ARRAYS = {
    "space": json.dumps(DECLARED.to_dict()),
    "depth": [1, 0, 1],
    "cell/1": [1, -1, 0],
    "in": [1, 0, 2],
    "size": [3, 1, 2],
    "accuracy": [[0.1, 0.5], [0.2, 0.9], [1 / 3, 0.7]],
}


def saved(folder: Path, **changes) -> Path:
    """A file of `ARRAYS`, some of them changed, or left out (None)."""
    path = folder / "table.npz"
    np.savez(path, **{name: array for name, array in {**ARRAYS, **changes}.items() if array is not None})
    return path


def contents(table: Table):
    arrays = {"columns": table.columns, "curves": table.curves}
    return (
        table.space.to_dict(),
        list(table),
        {k: {n: a.tolist() for n, a in v.items()} for k, v in arrays.items()},
    )


def test_a_written_table_is_read_again(tmp_path):
    write_table(tmp_path / "table.npz", TABLE)
    assert contents(read_table(tmp_path / "table.npz")) == contents(TABLE)
    first = (tmp_path / "table.npz").read_bytes()
    write_table(tmp_path / "table.npz", TABLE)
    assert (tmp_path / "table.npz").read_bytes() == first


def test_arrays_saved_by_hand_are_that_table(tmp_path):
    remarks = {"why": "a remark", "names": ["x", "y", "z"], "gaps": [1.0, np.nan, 2.0]}
    assert contents(read_table(saved(tmp_path, **remarks))) == contents(TABLE)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"space": None}, "no array 'space'"),
        ({"space": "{}"}, "its array 'space' is no search space"),
        ({"space": "{"}, "its array 'space' is no search space"),
        ({"space": "[1]"}, "its array 'space' is no search space"),
        ({"space": '{"decisions": [], "conditions": []}'}, "its array 'space' is no search space"),
        ({"space": np.array([{"a": 1}])}, "objects are never loaded, save numbers and texts"),
        (
            {"size": np.array([1, "a", None], dtype=object)},
            "objects are never loaded, save numbers and texts",
        ),
        ({"depth": None}, "no array for the decision 'depth'"),
        ({"depth": [1.0, 0.0, 1.0]}, "decision 'depth' needs a whole number for each row"),
        ({"depth": [[1], [0], [1]]}, "decision 'depth' needs a whole number for each row"),
        ({"depth": [1, 0, 2]}, "row 3: decision 'depth' has no value number 2: they go from 0 to 1"),
        ({"in": [1, -2, 2]}, "row 2: decision 'in' has no value number -2: they go from 0 to 2"),
        ({"depth": [1, -1, 1]}, "row 2: decision 'depth' is missing"),
        ({"cell/1": [1, 0, 0]}, "row 2: decision 'cell/1' is given but switched off"),
        ({"cell/1": [-1, -1, 0]}, "row 1: decision 'cell/1' is missing"),
        ({"cell/1": [1, -1]}, "decisions have arrays of different lengths: depth 3, cell/1 2, in 3"),
        ({"in": [1, 0, 1], "cell/1": [1, -1, 1]}, "rows 1 and 3 are of one architecture"),
        ({"size": [1, 2]}, "column 'size' has 2 values for 3 rows"),
        ({"size": 1}, "array 'size' is no column and no curve: its shape is ()"),
        ({"more": np.ones((3, 3))}, "curve 'more' has 3 epochs, another one 2|curve 'accuracy' has 2 epochs"),
        ({"size": ["a", "b", "c"], "accuracy": None}, "no array holds finite numbers"),
    ],
)
def test_files_that_are_no_tables_are_refused_with_the_reason(tmp_path, changes, why):
    with pytest.raises(UsageError, match="table.npz: ") as caught:
        read_table(saved(tmp_path, **changes))
    assert any(reason in str(caught.value) for reason in why.split("|"))


def test_a_file_that_is_not_there_or_not_whole_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_table(tmp_path / "none.npz")
    whole = saved(tmp_path).read_bytes()
    buffer = io.BytesIO()
    np.save(buffer, np.ones(3))
    for text in (b"", b"text", whole[:-30], buffer.getvalue()):
        (tmp_path / "table.npz").write_bytes(text)
        with pytest.raises(UsageError, match="can't be read as a table: it is no whole .npz file"):
            read_table(tmp_path / "table.npz")


def test_tables_that_files_cannot_hold_are_refused(tmp_path):
    ruled = SearchSpace(
        [Decision("a", (0, 1))],
        constraints=[Rule("a is 0", frozenset(["a"]), lambda values: values["a"] == 0)],
    )
    one = np.ones(1)
    with pytest.raises(UsageError, match="has constraints"):
        write_table(tmp_path / "table.npz", Table(ruled, [(0,)], {"x": one}))
    with pytest.raises(UsageError, match="found by a key"):
        write_table(
            tmp_path / "table.npz", Table(DECLARED, ROWS[:1], {"x": one}, key=lambda arch: arch.digest)
        )
    with pytest.raises(UsageError, match="written as .npz files, not as table.csv"):
        write_table(tmp_path / "table.csv", TABLE)
    for name in ("depth", "space", "file"):
        with pytest.raises(UsageError, match=f"a column can't be called '{name}'"):
            write_table(tmp_path / "table.npz", Table(DECLARED, ROWS[:1], {name: one}))
    assert list(tmp_path.iterdir()) == []


def test_all_cells_of_nasbench201_are_read_at_once(tmp_path):
    rows = [tuple(arch.values()) for arch in SPACE.enumerate()]
    rng = np.random.default_rng(0)
    table = Table(SPACE, rows, {"size": rng.random(len(rows))}, {"accuracy": rng.random((len(rows), 12))})
    write_table(tmp_path / "cells.npz", table)
    again = read_table(tmp_path / "cells.npz")
    assert again.rows([arch for arch in SPACE.enumerate()]) == list(range(len(rows)))
    assert (again.curves["accuracy"] == table.curves["accuracy"]).all()
