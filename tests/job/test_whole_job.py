"""From images to a trained, judged and exported network, small enough for a test."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nasturtium as nas
from nasturtium.core.errors import Diverged, UsageError
from nasturtium.result import Result
from nasturtium.study.log import RunLog

TINY = {
    "training": {"epochs": 1, "batch_size": 128},
    "random_networks": 2,
    "search_net": {"channels": 2, "cells": 3},
    "final_net": {"channels": 4, "cells": 3},
}
TINY_OPTIONS = [
    *("--training", "epochs=1,batch_size=128", "--random-networks", "2"),
    *("--search-net", "channels=2,cells=3", "--final-net", "channels=4,cells=3"),
]


def images(classes: int = 3, each: int = 20) -> tuple[Tensor, Tensor]:
    """Bright squares, one place for each class."""
    generator = torch.Generator().manual_seed(0)
    x = (60 * torch.rand(classes * each, 1, 8, 8, generator=generator)).to(torch.uint8)
    y = torch.arange(classes).repeat(each)
    for i, label in enumerate(y.tolist()):
        x[i, :, 2 * label : 2 * label + 3, 2:6] += 150
    return x, y


class OwnNet(nn.Module):
    """Widths, kernels, depth and activations are open."""

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        width = nas.Dim("width", (4, 8))
        self.stem = nas.ElasticConv2d(input_shape[0], width, kernel=nas.Dim("kernel", (1, 3)))
        self.blocks = nas.Repeat(
            "depth",
            lambda i: nn.Sequential(nas.ElasticConv2d(width, width, 3), nas.OneOf(f"a/{i}", ACTIVATIONS)),
            depths=(1, 2),
        )
        self.head = nas.ElasticLinear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU}


def own_search(folder: Path, **options: object) -> Result:
    return nas.search(
        space=OwnNet,
        data=images(),
        method="random",
        budget="3 trials",
        random_networks=2,
        training={"epochs": 2, "batch_size": 8},
        folder=folder,
        **options,
    )


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return own_search(tmp_path_factory.mktemp("own"))


def test_a_network_of_ones_own_goes_all_the_way(own: Result) -> None:
    assert own.architecture in nas.Blueprint(lambda: OwnNet((1, 8, 8), 3)).space
    assert [row["label"] for row in own.verdict["networks"]] == [
        "found by the search",
        "random 1",
        "random 2",
        "residual CNN",
    ]
    assert own.verdict["test_images"] == 12
    assert own.verdict["sentence"].startswith("The search ")
    assert all(file.stat().st_size for file in own.files)
    assert own.report_path.stat().st_size


def test_the_network_of_the_result_is_the_exported_one(own: Result) -> None:
    import onnxruntime

    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    session = onnxruntime.InferenceSession(str(own.log.folder / "net.onnx"))
    found = session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]
    with torch.no_grad():
        torch.testing.assert_close(own.network()(x), torch.from_numpy(found), atol=1e-4, rtol=0)


def test_the_ledger_counts_every_training(own: Result) -> None:
    entries = {entry.stage: entry for entry in own.ledger.entries}
    assert entries["search"].trials == 3
    assert entries["retrain"].trials == 4
    # 48 images train every one of the 4 networks for 2 epochs
    assert entries["retrain"].cost.samples == 4 * 2 * 48
    assert entries["verdict"].cost.forward == 4  # 12 test images fit into one batch
    assert own.ledger.total.cost.samples == sum(entry.cost.samples for entry in entries.values())


def test_asking_again_reads_the_finished_run(own: Result) -> None:
    before = own.log.events()
    again = own_search(own.log.folder.parent)
    assert again.log.events() == before
    assert again.verdict == own.verdict


def test_other_options_for_a_known_run_are_refused(own: Result) -> None:
    with pytest.raises(UsageError, match="random_networks: 2 → 3"):
        nas.search(
            space=OwnNet,
            data=images(),
            method="random",
            budget="3 trials",
            random_networks=3,
            training={"epochs": 2, "batch_size": 8},
            folder=own.log.folder.parent,
        )


def test_training_settings_are_searched_jointly(tmp_path: Path) -> None:
    result = own_search(tmp_path, search_settings={"learning_rate": [0.01, 0.1]})
    assert result.architecture["train/learning_rate"] in (0.01, 0.1)
    values = {trial.arch["train/learning_rate"] for trial in result.trials if trial.arch}
    assert values <= {0.01, 0.1}
    assert result.network()(torch.rand(1, 1, 8, 8)).shape == (1, 3)


def test_contradictory_constraints_are_found_before_anything_is_trained(tmp_path: Path) -> None:
    space = nas.Blueprint(
        lambda: OwnNet((1, 8, 8), 3),
        constraints=[nas.Rule("width is neither 4 nor 8", frozenset(["width"]), lambda v: v["width"] > 8)],
    )
    with pytest.raises(UsageError, match="width is neither 4 nor 8"):
        nas.search(space=space, data=images(), method="random", budget="1 trial", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_search_whose_finds_the_final_network_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="different spaces.*'layer1/channels' got .*both alike"):
        nas.search(
            data=images(),
            space="natsbench-size",
            method="random",
            folder=tmp_path,
            search_net={"step": 4},
        )
    assert not list(tmp_path.iterdir())


def test_a_diverging_search_says_what_to_lower(tmp_path: Path) -> None:
    wild = {"learning_rate": 10, "weight_decay": 0.4, "gradient_clip": 1e9, "batch_size": 2}
    with pytest.raises(Diverged, match=r"lower learning_rate \(now 10\)"):
        nas.search(
            data=images(),
            space="nasbench201",
            budget="30 epochs",
            run="wild",
            folder=tmp_path,
            search_net={"channels": 2, "cells": 1},
            searching=wild,
        )
    log = RunLog.read(tmp_path, "wild")
    assert log.record.state == "failed"
    assert log.epochs("search")  # what was finished is kept


@pytest.mark.parametrize("method", ["darts", "random", pytest.param("darts-2nd", marks=pytest.mark.slow)])
def test_killed_and_resumed_ends_with_the_same_architecture(method: str, tmp_path: Path) -> None:
    budget = "3 trials" if method == "random" else "3 epochs"
    whole = nas.search(method=method, budget=budget, folder=tmp_path / "whole", **TINY)
    words = [
        "search",
        "--method",
        method,
        "--budget",
        budget,
        "--folder",
        str(tmp_path / "killed"),
        "--quiet",
    ]
    command = [sys.executable, "-m", "nasturtium.cli.main", *words, *TINY_OPTIONS]
    kill_when(command, lambda: progress_of(tmp_path / "killed", method) >= 1)
    assert "search" not in stages(tmp_path / "killed", method)
    subprocess.run(command, check=True, timeout=240)
    resumed = nas.load(f"digits-darts-{method}-0", tmp_path / "killed")
    assert resumed.architecture == whole.architecture
    assert curves(resumed) == curves(whole)
    assert [r["accuracy"] for r in resumed.verdict["networks"]] == [
        r["accuracy"] for r in whole.verdict["networks"]
    ]


def test_ctrl_c_says_what_is_saved_and_how_to_resume(tmp_path: Path) -> None:
    words = [
        "search",
        "--method",
        "random",
        "--budget",
        "50 trials",
        "--folder",
        str(tmp_path),
        *TINY_OPTIONS,
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "nasturtium.cli.main", *words],
        stderr=subprocess.PIPE,
        text=True,
        # tests that run in the background of a shell inherit that it is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(process, lambda: progress_of(tmp_path, "random") >= 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Every finished epoch and trial is saved" in said
    assert "Resume with the same command: nasturtium search --method random" in said
    assert "Traceback" not in said
    assert RunLog.read(tmp_path, "digits-darts-random-0").record.state == "stopped"


def kill_when(command: list[str], reached: Callable[[], bool]) -> None:
    process = subprocess.Popen(command)
    wait_until(process, reached)
    process.kill()
    process.wait()


def wait_until(process: subprocess.Popen[str] | subprocess.Popen[bytes], reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not reached() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "it ended too early"


def log_of(folder: Path, method: str) -> RunLog | None:
    try:
        return RunLog.read(folder, f"digits-darts-{method}-0")
    except UsageError:
        return None


def progress_of(folder: Path, method: str) -> int:
    log = log_of(folder, method)
    if log is None:
        return 0
    done = [trial for trial in log.trials("search") if trial.status == "ok"]
    return len(done) + len(log.epochs("search"))


def stages(folder: Path, method: str) -> set[str]:
    log = log_of(folder, method)
    return set() if log is None else set(log.stages())


def curves(result: Result) -> object:
    if "curve" in result.stage("search"):
        return [{k: v for k, v in row.items() if k != "cost"} for row in result.stage("search")["curve"]]
    return [json.dumps(dict(trial.measurement.metrics)) for trial in result.log.trials("search")]
