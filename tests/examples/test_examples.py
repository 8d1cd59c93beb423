"""Examples and the README's code run as they stand."""

import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

import nasturtium as nas
from nasturtium.space.decision import Decision
from nasturtium.spaces.base import SPACES

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "custom_space.py"


def test_the_custom_space_runs(tmp_path: Path) -> None:
    words = ["--budget", "3 trials", "--epochs", "1", "--folder", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *words], capture_output=True, text=True, check=True, timeout=200
    )
    assert "The search " in done.stdout
    assert (tmp_path / "digits-SmallNet-random-0" / "report" / "report.html").exists()


def run(name: str, *words: str) -> str:
    script = ROOT / "examples" / name
    done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_relaxation_of_ones_own_is_compared_with_darts(tmp_path: Path) -> None:
    words = ["--budget", "2 epochs", "--epochs", "1", "--seeds", "1", "--folder", str(tmp_path)]
    lines = run("own_relaxation.py", *words).splitlines()
    assert [line.split()[0] for line in lines] == ["darts", "sparsemax"]


def test_ones_own_relaxation_weighs_by_the_nearest_point_of_the_simplex() -> None:
    relaxation = runpy.run_path(str(ROOT / "examples" / "own_relaxation.py"))["Sparsemax"]()
    decision = Decision("op", tuple("abcd"))
    alpha = torch.tensor([0.5, -1.0, 0.1, 0.2], dtype=torch.float64, requires_grad=True)
    gate = relaxation.gate(decision, alpha)
    assert gate.index == (0, 2, 3)
    # the nearest point lowers all that weigh anything by the same and adds up to one
    torch.testing.assert_close(gate.weight, alpha[[0, 2, 3]] + (1 - 0.8) / 3)
    assert torch.autograd.gradcheck(lambda a: relaxation.probabilities(decision, a), alpha)


def test_a_supernet_of_ones_own_is_trained_and_searched(tmp_path: Path) -> None:
    words = ["--epochs", "2", "--networks", "3", "--folder", str(tmp_path)]
    assert "best of 3: " in run("trained_supernet.py", *words)
    assert (tmp_path / "best.pt").exists()


def test_the_readme_shows_the_same_space_as_the_example() -> None:
    source = re.search(r"```python\n(from torch.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert source is not None
    scope: dict[str, type] = {}
    exec(source[1], scope)  # our own README
    spaces = [
        nas.Blueprint(lambda net=net: net((1, 8, 8), 10)).space.to_dict()
        for net in (scope["SmallNet"], runpy.run_path(str(EXAMPLE))["SmallNet"])
    ]
    assert spaces[0] == spaces[1]
    assert len(source[1].strip().splitlines()) <= 27


def test_the_spaces_in_the_readme_are_used_as_it_says() -> None:
    source = re.search(r"```python\n(import numpy.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert source is not None
    scope: dict[str, Any] = {}
    exec(source[1], scope)  # our own README
    assert scope["numbers"].shape[0] == len(scope["archs"]) > 100
    assert 100 < len(scope["forms"]) <= len(scope["archs"])


def test_the_readme_names_every_space() -> None:
    table = re.search(r"\| family \| spaces \|\n(.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL)
    assert table is not None
    named = re.findall(r"`([\w-]+)`", table[1])
    for i, name in enumerate(named):
        if name.startswith("-"):  # `-micro` after `transnasbench101-macro`
            whole = next(n for n in reversed(named[:i]) if not n.startswith("-"))
            named[i] = whole.rsplit("-", 1)[0] + name
    assert sorted(named) == sorted(SPACES.names())
