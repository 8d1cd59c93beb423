"""Once-for-All and AutoFormer, from the pace to the found architecture."""

from pathlib import Path

import pytest
from tiny_task import CLASSES, SHAPE, Killed, KilledAt, run_stages, task_of, without_cost
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.methods.autoformer import autoformer
from nasturtium.methods.base import Json, stages_of
from nasturtium.methods.ofa import ofa
from nasturtium.modules.blocks.mbconv import classifier, inverted, residual
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.space.architecture import Architecture
from nasturtium.study.progress import SILENT, Progress


def elastic_net() -> nn.Module:
    def block(i: int) -> nn.Module:
        middle = derived(lambda n: 4 * n, Dim(f"wide{i}", (1, 2)), hidden=True)
        body = inverted(4, middle, 4, Dim(f"kernel{i}", (1, 3)), kernel_transforms=True)
        return residual(body, 4, 4, 1)

    stem = nn.Conv2d(SHAPE[0], 4, 3, padding=1)
    return nn.Sequential(stem, Repeat("depth", block, (1, 2)), *classifier(4, CLASSES))


ELASTIC = Blueprint(elastic_net)


def shrunk(folder: Path, progress: Progress = SILENT) -> dict[str, Json]:
    return run_stages(folder, ofa(task_of(ELASTIC, {}, "5 epochs", paths=4)), progress)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(folder: Path) -> dict[str, Json]:
    return shrunk(folder)


def test_ofa_has_one_curve_and_checkpoints_of_all_phases(whole: dict[str, Json], folder: Path) -> None:
    assert [row["epoch"] for row in whole["search"]["curve"]] == [1, 2, 3, 4, 5]
    assert Architecture(whole["search"]["architecture"]) in ELASTIC.space
    stems = {path.stem.rpartition("-")[0] for path in folder.rglob("supernet*.checkpoint")}
    assert stems == {"supernet-largest", "supernet-kernel", "supernet-depth-2", "supernet-width-2"}


@pytest.mark.parametrize("last", [1, 2, 4, 5])
def test_ofa_killed_and_resumed_finds_the_same(last: int, whole: dict[str, Json], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        shrunk(tmp_path, KilledAt("supernet", last))
    assert without_cost(shrunk(tmp_path)["search"]) == without_cost(whole["search"])


def test_ofa_refuses_what_it_cannot_shrink_and_names_who_can_search_it() -> None:
    fixed = Blueprint(lambda: OneOf("act", {"relu": nn.ReLU, "gelu": nn.GELU}))
    with pytest.raises(UsageError, match="nothing can shrink here.*is a decision. Methods.*: .*random.*spos"):
        stages_of("ofa", task_of(fixed, {}))
    with pytest.raises(UsageError, match="at least 2 epochs"):
        ofa(task_of(ELASTIC, {}, "1 epoch"))


@pytest.mark.parametrize("blueprint", [ELASTIC, "autoformer-tiny"], ids=["convolutions", "transformer"])
def test_autoformer_trains_with_its_recipe(blueprint: str | Blueprint, tmp_path: Path) -> None:
    sizes = {"patch": 4, "layers": 1, "head": 4} if isinstance(blueprint, str) else {}
    found = run_stages(tmp_path, autoformer(task_of(blueprint, sizes, "2 epochs", paths=4)))
    settings = found["supernet"]["settings"]
    assert (settings["optimizer"], settings["weight_decay"], settings["warmup"]) == ("adamw", 0.05, 0.04)
    assert len(found["search"]["curve"]) == 2
