"""`nasturtium bench` as people meet it: in a process of its own, but for words that are refused at once."""

import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from same_process import same_process

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cells of NAS-Bench-201, with the number of their convolutions, and with luck that no cell shows."""
    path = tmp_path_factory.mktemp("tables") / "cells.csv"
    with path.open("w") as file:
        print("arch,convolutions,test,edges,time,luck,rumour", file=file)
        for i, ops in enumerate(product(OPS, repeat=6)):
            luck = i * 7919 % 10007
            cell = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|".format(*ops)
            number = sum("conv" in op for op in ops)
            edges = sum(op != "none" for op in ops)
            print(f"{cell},{number},{10 * number},{edges},{1 + number},{luck},{luck**2}", file=file)
    return path


def bench(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nasturtium.cli.main", "bench", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_strategies_are_compared_and_curves_written(table: Path, tmp_path: Path) -> None:
    words = ["--signal", "convolutions", "--report", "test", "--queries", "40", "--seeds", "4", "--to", "out"]
    done = bench("--benchmark", str(table), *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert said.index("local-search") < said.index("random")
    assert "after 10" in said
    assert "the best of the table is 60" in said
    assert "top 16" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["curves.csv", "regret.png"]
    assert len((tmp_path / "out" / "curves.csv").read_text().splitlines()) == 1 + 4 * 40


def test_several_signals_each_with_its_goal_and_simulated_seconds(table: Path, tmp_path: Path) -> None:
    words = ["--signal", "convolutions,edges", "--report", "test,edges", "--goal", "max,min", "--to", "out"]
    words += ["--queries", "20", "--seeds", "2", "--strategies", "nsga2:population=4,optuna:sampler=random"]
    done = bench("--benchmark", str(table), *words, "--seconds", "time", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "nsga2:population=4" in said
    assert "hypervolume of test and edges of the front by convolutions and edges" in said
    assert "top 16" not in said
    names = ["curves-seconds.csv", "curves.csv", "regret-seconds.png", "regret.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_our_own_table_needs_no_more_than_its_name(tmp_path: Path) -> None:
    done = bench("--benchmark", "digits", "--queries", "20", "--seeds", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "test_accuracy of the best val_accuracy so far" in " ".join(done.stdout.split())
    done = bench("--benchmark", "digits", "--signal", "test_acuracy", cwd=tmp_path)
    assert done.returncode == 2
    assert "did you mean 'test_accuracy'" in done.stderr


def test_hints_are_columns_that_auto_may_look_up(table: Path, tmp_path: Path) -> None:
    words = ["--signal", "luck", "--strategies", "auto", "--queries", "30", "--seeds", "3", "--to"]
    done = bench("--benchmark", str(table), *words, "with", "--hints", "rumour,edges", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert bench("--benchmark", str(table), *words, "without", cwd=tmp_path).returncode == 0
    missing = {
        name: 10006 - float((tmp_path / name / "curves.csv").read_text().splitlines()[-1].split(",")[2])
        for name in ("with", "without")
    }
    assert missing["with"] < missing["without"] / 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--signal says which column is searched; cells.csv has convolutions, test, edges, time"),
        (["--signal", "tests"], "unknown column 'tests': did you mean 'test'"),
        (["--signal", "test", "--report", "convolution"], "did you mean 'convolutions'"),
        (["--signal", "test", "--strategies", "random,evolutoin"], "did you mean 'evolution'"),
        (["--signal", "test", "--strategies", "random,random"], "'random' is listed twice"),
        (["--signal", "test", "--seconds", "tst"], "did you mean 'test'"),
        (["--signal", "test,convolutions", "--report", "test"], "--report has 1 for 2 of --signal"),
        (["--signal", "test", "--goal", "max,min"], "--goal has 2 for 1 of --signal"),
        (["--signal", "test", "--strategies", "nsga2:size=3"], "'nsga2' has no option 'size'"),
        (["--signal", "test", "--hints", "edges,test"], "'test' can't be a hint"),
        (["--signal", "test", "--hints", "edge"], "did you mean 'edges'"),
        (["--signal", "test", "--goal", "up"], "the goal is 'min' or 'max', not 'up'"),
        (["--signal", "test", "--queries", "0"], "Invalid value for '--queries'"),
        (["--benchmark", "none.csv", "--signal", "test"], "none.csv: it can't be read as a table"),
    ],
)
def test_wrong_input_is_explained_and_leaves_with_2(words: list[str], said: str, table: Path) -> None:
    done = same_process("bench", "--benchmark", table.name, *words, cwd=table.parent)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
