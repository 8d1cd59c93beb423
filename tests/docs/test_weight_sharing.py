"""The guide names what there is, and its code runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nasturtium.methods.base import METHODS
from nasturtium.methods.limits import refuse_limits
from nasturtium.problem.objectives import Limit
from nasturtium.spaces.base import SPACES, published

GUIDE = (Path(__file__).parents[2] / "docs" / "weight-sharing.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
COMMANDS = re.findall(r"^nasturtium search (.*)$", GUIDE, re.MULTILINE)


def options(command: str) -> dict[str, str]:
    words = shlex.split(command)
    return {name.removeprefix("--"): value for name, value in zip(words[::2], words[1::2], strict=True)}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_for_what_there_is(command: str) -> None:
    asked = options(command)
    info = METHODS.info(asked["method"])
    info.settings.changed(dict(pair.split("=") for pair in asked.get("searching", "").split(",") if pair))
    refuse_limits(info.name, [Limit("parameters", 1)] if "limit" in asked else [])
    for sizes in ("search-net", "final-net"):
        assert {pair.split("=")[0] for pair in asked[sizes].split(",")} <= set(
            SPACES.get(asked["space"]).sizes
        )


def test_the_table_of_methods_names_every_one() -> None:
    table = GUIDE[GUIDE.index("| you have |") : GUIDE.index("A supernet needs many passes")]
    assert set(METHODS.names()) <= set(re.findall(r"`([a-z0-9-]+)`", table))


def test_every_setting_of_the_guide_is_some_methods_own() -> None:
    table = GUIDE[GUIDE.index("| setting |") : GUIDE.index("## What the report says")]
    first = [row.split("|")[1] for row in table.splitlines()[2:] if row.startswith("|")]
    named = set(re.findall(r"`(\w+)`", " ".join(first)))
    known = {
        name for n in METHODS.names() if (s := METHODS.info(n).settings) for name in type(s).model_fields
    }
    assert named <= known


def test_the_search_from_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(PYTHON[0].replace("8 epochs", "1 epochs").replace('"paths": 50', '"paths": 20'), {})
    assert (tmp_path / "runs" / "digits-nasbench201-spos-0" / "report" / "report.html").exists()


def test_the_sampler_draws_pairs_that_differ_in_one_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "_entries", dict(METHODS._entries))  # the method is this test's alone
    scope: dict[str, object] = {"__name__": "guide"}
    exec(PYTHON[1], scope)
    sampler = scope["PairedPaths"](published("nasbench201").space)
    one, other = sampler.paths(np.random.default_rng(0), 0.0)
    assert sum(one[name] != other[name] for name in one) == 1
    assert METHODS.get("paired-paths") is scope["paired_paths"]


def test_the_search_in_several_processes_is_written_as_the_library_is(tmp_path: Path) -> None:
    script = tmp_path / "parallel.py"
    script.write_text(PYTHON[2])
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert "cell/1<-0" in done.stdout, done.stderr
