import gzip
import json
import sys
from pathlib import Path

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.nasbench201 import nasbench201, to_string
from nasturtium.tables.files import read_table
from nasturtium.tables.nasbench201 import NAMES, SPACE, row_of

CELL = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
DECLARED = SearchSpace([Decision("width", (8, 16)), Decision("inputs", (0, 1, 2), k=2)])


def written(folder: Path, text: str, name: str = "table.csv", space: SearchSpace | None = None) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    if space is not None:
        (folder / "table.space.json").write_text(json.dumps(space.to_dict()))
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_cells_of_nasbench201(tmp_path, name):
    cells = [CELL.format(*(NAMES[(i + j) % 5] for j in range(6))) for i in range(5)]
    lines = [f"{i},{cell},{90 + i}.5,remark,{'nan' if i else 1}" for i, cell in enumerate(cells)]
    table = read_table(written(tmp_path, "\n".join(["index,arch,accuracy,why,gaps", *lines]), name))
    assert table.metrics == ("index", "accuracy")
    archs = {to_string(arch): arch for arch in SPACE.enumerate()}
    assert table.column("accuracy")[table.rows([archs[cell] for cell in cells])].tolist() == [
        90.5 + i for i in range(5)
    ]


def test_the_space_is_that_of_the_network():
    network = nasbench201((3, 8, 8), 10).space
    assert SPACE.to_dict() == network.to_dict()
    assert all(
        SPACE.canonical(a) == network.canonical(a)
        for a, _ in zip(SPACE.enumerate(), range(300), strict=False)
    )


def test_a_declared_space_with_a_column_for_each_decision(tmp_path):
    text = "accuracy,inputs,width\n0.5,0 1,8\n0.75,1 2,16\n"
    table = read_table(written(tmp_path, text, space=DECLARED))
    archs = {(a["width"], a["inputs"]): a for a in DECLARED.enumerate()}
    assert table.column("accuracy")[table.rows([archs[16, (1, 2)], archs[8, (0, 1)]])].tolist() == [0.75, 0.5]


@pytest.mark.parametrize(
    ("text", "declared", "why"),
    [
        ("", None, "can't be read as a table"),
        ("a,b\n1,2\n3\n", None, "line 3: 1 fields instead of 2"),
        ("a,b\n1,2\n", None, "no column 'arch', and there is no table.space.json"),
        ("arch,x\n|conv~0|,1\n", None, "is no cell of NAS-Bench-201"),
        (f"arch,x\n{CELL.format(*['none'] * 6)},much\n", None, "no column holds numbers"),
        ("inputs,x\n0 1,1\n", DECLARED, "no column for the decision 'width'"),
        ("inputs,width,x\n0 1,8,1\n0 1,9,1\n", DECLARED, "row 2: decision 'width' has no option '9'"),
        ("inputs,width,x\n0 1,8,1\n0 1,8,1\n", DECLARED, "rows 1 and 2 are of one architecture"),
    ],
)
def test_files_that_are_no_tables_are_refused_with_the_reason(tmp_path, text, declared, why):
    path = written(tmp_path, text, space=declared)
    with pytest.raises(UsageError, match="table.csv") as caught:
        read_table(path)
    assert why in str(caught.value)


def test_a_file_that_is_not_there_or_not_packed_is_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "x.csv.gz").write_text("arch,x\n")
    with pytest.raises(UsageError, match="can't be read as a table"):
        read_table(tmp_path / "x.csv.gz")
    (tmp_path / "table.space.json").write_text("[1]")
    with pytest.raises(UsageError, match="table.space.json is no search space"):
        read_table(written(tmp_path, "a,b\n1,2\n"))


@pytest.mark.parametrize(
    "text", ["", "|none~0|", CELL.format(*["none"] * 5, "conv"), CELL.replace("~2", "~1")]
)
def test_texts_that_are_no_cells_are_refused(text):
    with pytest.raises(UsageError, match="is no cell of NAS-Bench-201"):
        row_of(text)


def test_rows_that_are_no_architectures_are_refused(tmp_path):
    space = SearchSpace(
        [Decision("depth", (1, 2)), Decision("op", ("a", "b"))],
        {"op": frozenset({frozenset({When("depth", frozenset({2}))})})},
    )
    with pytest.raises(UsageError, match="row 2: decision 'op' is given but switched off"):
        read_table(written(tmp_path, "depth,op,x\n2,a,1\n1,a,1\n", space=space))
    with pytest.raises(UsageError, match="row 1: decision 'width' is missing"):
        read_table(written(tmp_path, "width,inputs,x\n,0 1,1\n", space=DECLARED))


def parquet(path: Path, columns: dict[str, list]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)
    return path


def test_parquet_files_have_the_columns_of_csv_files_with_types(tmp_path):
    space = SearchSpace(
        [Decision("depth", (1, 2)), Decision("width", (8, 16)), Decision("inputs", (0, 1, 2), k=2)],
        {"width": frozenset({frozenset({When("depth", frozenset({2}))})})},
    )
    (tmp_path / "table.space.json").write_text(json.dumps(space.to_dict()))
    columns = {
        "accuracy": [0.5, 0.75, 0.25],
        "depth": [2, 1, 2],
        "width": [8.0, None, 16.0],  # as programs write whole numbers of which some are missing
        "inputs": ["0 1", "1 2", "0 2"],
        "remark": ["a", None, "b"],
        "gaps": [1.0, None, 2.0],
    }
    table = read_table(parquet(tmp_path / "table.parquet", columns))
    assert list(table) == [(2, 8, (0, 1)), (1, None, (1, 2)), (2, 16, (0, 2))]
    assert {name: column.tolist() for name, column in table.columns.items()} == {
        "accuracy": [0.5, 0.75, 0.25]
    }
    columns["width"] = [8.0, float("nan"), 12.0]
    with pytest.raises(UsageError, match="row 3: decision 'width' has no option 12"):
        read_table(parquet(tmp_path / "table.parquet", columns))


def test_parquet_files_of_nasbench201_and_files_that_are_none(tmp_path):
    cells = [CELL.format(*(NAMES[(i + j) % 5] for j in range(6))) for i in range(5)]
    path = parquet(tmp_path / "cells.parquet", {"arch": cells, "accuracy": [1, 2, 3, 4, 5]})
    assert list(read_table(path)) == [row_of(cell) for cell in cells]
    with pytest.raises(UsageError, match="'None' is no cell of NAS-Bench-201"):
        read_table(parquet(path, {"arch": [None, cells[0]], "accuracy": [1, 2]}))
    path.write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="cells.parquet: it can't be read as a table"):
        read_table(path)
    with pytest.raises(UsageError, match="none.parquet: it can't be read as a table"):
        read_table(tmp_path / "none.parquet")


def test_without_pyarrow_the_error_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"table.parquet: .*pip install 'nasturtium\[parquet\]'"):
        read_table(tmp_path / "table.parquet")
