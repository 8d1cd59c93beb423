"""Once-for-All and AutoFormer as whole searches."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nasturtium as nas
from nasturtium.core.config import SearchConfig
from nasturtium.core.errors import UsageError
from nasturtium.job import prepare
from nasturtium.methods.base import METHODS, Json
from nasturtium.modules.blocks.mbconv import classifier, inverted, residual
from nasturtium.modules.dims import derived
from nasturtium.oneshot.single_path import SinglePath
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.study.progress import SILENT
from nasturtium.study.run import Run
from nasturtium.training.data.sources import open_data


def elastic_net(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    def block(i: int) -> nn.Module:
        middle = derived(lambda n: 4 * n, nas.Dim(f"wide{i}", (1, 2)), hidden=True)
        body = inverted(4, middle, 4, nas.Dim(f"kernel{i}", (1, 3)), kernel_transforms=True)
        return residual(body, 4, 4, 1)

    stem = nn.Conv2d(input_shape[0], 4, 3, padding=1)
    return nn.Sequential(stem, nas.Repeat("depth", block, (1, 2)), *classifier(4, classes))


def fixed_net(input_shape: tuple[int, int, int], classes: int) -> nn.Module:
    choices = (nas.OneOf(f"act{i}", {"relu": nn.ReLU, "gelu": nn.GELU}) for i in range(2))
    return nn.Sequential(nn.Conv2d(input_shape[0], 4, 3), *choices, *classifier(4, classes))


def images() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = (60 * torch.rand(60, 1, 8, 8, generator=generator)).to(torch.uint8)
    y = torch.arange(3).repeat(20)
    for i, label in enumerate(y.tolist()):
        x[i, :, 2 * label : 2 * label + 3] += 150
    return x, y


def search(
    folder: Path, method: str = "ofa", budget: str = "5 epochs", space: Callable[..., nn.Module] = elastic_net
) -> Json:
    """What each stage of the search finds, by its name."""
    searching = {"paths": 4, "batch_size": 8}
    config = SearchConfig(method=method, budget=budget, searching=searching, device="cpu")
    task = prepare(config, open_data(images()), space)
    stages = METHODS.get(method)(task)
    known = task.blueprint.space.to_dict()
    with Run.open(folder, "run", config={}, space=known, seed=0, command="") as run:
        return {stage.name: run.stage(stage.name, partial(stage.run, run, SILENT)) for stage in stages}


def found(stages: Json) -> object:
    """Everything but the seconds."""
    curve = [{key: value for key, value in row.items() if key != "cost"} for row in stages["search"]["curve"]]
    return stages["search"]["architecture"], stages["search"]["trial"], curve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Json:
    return search(folder)


def test_ofa_has_one_curve_and_checkpoints_of_all_phases(whole: Json, folder: Path) -> None:
    assert [row["epoch"] for row in whole["search"]["curve"]] == [1, 2, 3, 4, 5]
    space = nas.Blueprint(lambda: elastic_net((1, 8, 8), 3)).space
    assert Architecture.from_json(json.dumps(whole["search"]["architecture"])) in space
    stems = {path.stem.rpartition("-")[0] for path in folder.rglob("supernet*.checkpoint")}
    assert stems == {"supernet-largest", "supernet-kernel", "supernet-depth-2", "supernet-width-2"}


@pytest.mark.parametrize("last", [2, 4])
def test_ofa_killed_and_resumed_finds_the_same(
    last: int, whole: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = last
    one_epoch = SinglePath.epoch

    def killed(self: SinglePath, number: int) -> SearchEpoch:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return one_epoch(self, number)

    monkeypatch.setattr(SinglePath, "epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path)
    monkeypatch.setattr(SinglePath, "epoch", one_epoch)
    assert found(search(tmp_path)) == found(whole)


def test_ofa_refuses_what_it_cannot_shrink_and_names_who_can_search_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing can shrink here.*can search this space: .*spos"):
        search(tmp_path, space=fixed_net)
    with pytest.raises(UsageError, match="at least 2 epochs"):
        search(tmp_path, budget="1 epoch")
    assert not list(tmp_path.iterdir())


def test_autoformer_searches_with_its_recipe(tmp_path: Path) -> None:
    stages = search(tmp_path, "autoformer", "2 epochs")
    settings = stages["supernet"]["settings"]
    assert (settings["optimizer"], settings["weight_decay"], settings["warmup"]) == ("adamw", 0.05, 0.04)
    assert len(stages["search"]["curve"]) == 2
