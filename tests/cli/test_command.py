"""The command as people meet it: in a process of its own, but for words that are refused at once."""

import subprocess
import sys
from pathlib import Path

import pytest
from same_process import same_process

from nasturtium.methods.base import METHODS


def nasturtium(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nasturtium.cli.main", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--space", "dart"], "unknown space 'dart': did you mean 'darts'"),
        (["--method", "rndom"], "unknown method 'rndom': did you mean 'random'"),
        (["--data", "digit"], "did you mean 'digits'?"),
        (["--data", "no/such/folder"], "no/such/folder does not exist"),
        (["--budget", "soon"], "budget 'soon' is not understood"),
        (["--budget", "5 trials"], "this search has no trials"),
        (["--search-net", "chanels=3"], "did you mean 'channels'"),
        (["--final-net", "channels"], "--final-net takes name=value pairs"),
        (["--training", "learning_rate=-1"], "learning_rate = -1"),
        (["--searching", "epochs=3"], "give it as '20 epochs'"),
        (["--searching", "paths=9"], "there is no 'paths'"),
        (["--searching", "batch_size=8", "--method", "random"], "this method has no search settings"),
        (["--space", "network-morphism", "--method", "spos"], "such as random"),
        (["--search-setting", "learning_rate=0.1,0.2"], "Methods to try instead: black-box, random"),
        (["--search-setting", "learning=0.1,0.2", "--method", "random"], "did you mean 'learning_rate'"),
        (["--limit", "params=1000"], "method 'darts' can't keep parameters ≤ 1,000"),
        (["--limit", "parms=1000", "--method", "random"], "did you mean 'parameters'"),
        (
            ["--limit", "params=10", "--method", "random", "--space", "nasbench201"],
            "the smallest values met were parameters",
        ),
        (["--limit", "params=-1", "--method", "random"], "a number above 0"),
        (["--limit", "params", "--method", "random"], "--limit takes name=value pairs"),
        (["--run", "../up"], "run name '../up'"),
        (["--options", "none.yaml"], "can't read the options in none.yaml"),
        (["--device", "tpu"], "unknown device 'tpu'"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_input_is_explained_and_leaves_with_2(words: list[str], said: str, tmp_path: Path) -> None:
    done = same_process("search", *words, cwd=tmp_path)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_options_come_from_a_file_and_the_command_wins(tmp_path: Path) -> None:
    (tmp_path / "options.yaml").write_text("space: nasbench201\nmethod: randm\n")
    done = nasturtium("search", "--options", "options.yaml", cwd=tmp_path)
    assert "unknown method 'randm'" in done.stderr
    done = nasturtium("search", "--options", "options.yaml", "--method", "x", cwd=tmp_path)
    assert "unknown method 'x'" in done.stderr


def test_an_unknown_option_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "options.toml").write_text('budgett = "1m"\n')
    done = nasturtium("search", "--options", "options.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "there is no 'budgett': did you mean 'budget'?" in done.stderr


def test_runs_of_an_empty_folder(tmp_path: Path) -> None:
    done = nasturtium("runs", cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "no runs in runs")


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    for command in (["report", "x"], ["export", "x", "--to", "y"]):
        done = nasturtium(*command, cwd=tmp_path)
        assert done.returncode == 2
        assert "there are no runs in runs" in done.stderr


def test_lists_name_everything_registered(tmp_path: Path) -> None:
    assert set(METHODS.names()) <= set(nasturtium("methods", cwd=tmp_path).stdout.split())
    spaces = nasturtium("spaces", cwd=tmp_path).stdout
    assert "15,625" in spaces
    assert "1.08 · 10¹⁸" in spaces
    assert "unbounded" in spaces


@pytest.mark.parametrize("code", ["import nasturtium", "import nasturtium.cli.main"])
def test_help_and_import_do_not_load_torch(code: str) -> None:
    check = f"{code}, sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", f"import sys; {check}"], check=False).returncode == 0


def test_a_method_is_described_with_its_own_settings(tmp_path: Path) -> None:
    shown = " ".join(nasturtium("methods", "fair-darts", "enas", "random", cwd=tmp_path).stdout.split())
    fair, enas, random = shown.split("https://")[1:]
    assert "whose weight is above 0.85" in fair
    assert "no sizes of layers" in fair
    assert "'20 epochs'" in fair
    assert "can't be kept" in fair
    assert "zero_one 10.0 weight of FairDARTS' loss" in fair
    assert ": kept" in enas
    assert "strategy controller what proposes" in enas
    assert "'50 trials'" in random
    assert "settings: none" in random


def test_an_unknown_method_names_the_nearest_and_nothing_is_shown(tmp_path: Path) -> None:
    done = nasturtium("methods", "darts", "spso", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "unknown method 'spso': did you mean 'spos'" in done.stderr


def test_a_space_is_described_and_drawn(tmp_path: Path) -> None:
    shown = nasturtium("spaces", "nasbench201", cwd=tmp_path).stdout
    assert "network sizes: channels=16, cells=5" in shown
    assert "cell/3<-2" in shown
    assert "searched by methods of every kind" in shown
    shown = nasturtium("spaces", "darts-rnn", cwd=tmp_path).stdout
    assert "DARTS_V2: " in shown
    assert "searched by no command" in shown
    shown = nasturtium("spaces", "network-morphism", cwd=tmp_path).stdout
    assert "unbounded architectures" in shown
    assert "searched by methods that train each architecture, such as random" in shown
    assert "stage1/block1/width" in shown
    drawn = nasturtium("spaces", "nasbench201", "--draw", "gallery", "--seed", "3", cwd=tmp_path)
    assert drawn.stdout.strip() == "gallery/gallery.html"
    assert (tmp_path / "gallery" / "nasbench201-cell-1-cell.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nasbench2001"], "unknown space 'nasbench2001': did you mean 'nasbench201'"),
        (["nasbench201", "--draw", "file/x"], "gallery can't be written to file/x"),
        (["nasbench201", "--draw", "x", "--seed", "-1"], "greater than or equal to 0"),
    ],
)
def test_wrong_wishes_about_spaces_are_explained(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = same_process("spaces", *words, cwd=tmp_path)
    assert done.exit_code in (1, 2)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
