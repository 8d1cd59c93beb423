"""PC-DARTS, FairDARTS, DrNAS and β-DARTS as recipes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nasturtium.core.errors import CannotSearch
from nasturtium.methods.base import METHODS, Json, Task, stages_of
from nasturtium.methods.gradient_search import GradientSearch
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.study.budget import Budget
from nasturtium.study.progress import SILENT
from nasturtium.study.run import Run
from nasturtium.training.data.in_memory import InMemory
from nasturtium.training.device import make_fabric
from nasturtium.training.settings import TrainSettings

MIXTURES = ["pc-darts", "fair-darts", "drnas", "beta-darts"]
SHAPE = (1, 8, 8)
LAYERS = {
    "narrow": lambda: nn.Linear(64, 2),
    "wide": lambda: nn.Sequential(nn.Linear(64, 9), nn.Linear(9, 2)),
}


def task(blueprint: Blueprint, *, epochs: int = 4, **searching: float) -> Task:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (80, *SHAPE), generator=generator, dtype=torch.uint8)
    return Task(
        blueprint=blueprint,
        final=blueprint,
        splits=InMemory(images, torch.arange(80) % 2).splits(0),
        training=TrainSettings(epochs=1),
        searching={"batch_size": 16, **searching},
        budget=Budget.parse(f"{epochs} epochs"),
        fabric=make_fabric("cpu"),
        seed=0,
        mirror=False,
    )


class Network(nn.Module):
    """One cell between a convolution and a classifier."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        ops = {name: OPS.get(name) for name in ("skip_connect", "nor_conv_1x1", "dil_conv_3x3")}
        self.stem = nn.Conv2d(1, channels, 3, 2)
        self.cell = Cell("c", ops, channels, 2, null=True)
        self.head = nn.Linear(2 * channels, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(self.cell([x, x]).mean(dim=(2, 3)))


def cells(channels: int = 4) -> Blueprint:
    return Blueprint(lambda: Network(channels))


def searched(method: str, task: Task, folder: Path, *, stop_after: int | None = None) -> Json:
    """What the last stage found; interrupted after an epoch, and resumed, if asked for."""
    progress = Stopping(stop_after)
    with Run.open(folder, "run", config={}, space={}, seed=0, command="") as run:
        payload: Json = {}
        for stage in METHODS.get(method)(task):
            payload = run.stage(stage.name, lambda s=stage: s.run(run, progress))
    return payload


class Killed(BaseException):
    pass


class Stopping(type(SILENT)):
    """Dies when it is told of an epoch."""

    def __init__(self, epoch: int | None) -> None:
        self.epoch = epoch

    def advance(self, done: int, **figures: float | str) -> None:
        if done == self.epoch:
            raise Killed


def rows(payload: Json) -> list[SearchEpoch]:
    return [replace(SearchEpoch(**epoch), cost={}) for epoch in payload["curve"]]


@pytest.mark.parametrize("method", MIXTURES)
def test_a_search_ends_with_an_architecture_also_when_interrupted(method: str, tmp_path: Path) -> None:
    blueprint = cells()
    whole = searched(method, task(blueprint), tmp_path / "whole")
    assert Architecture(_values(whole)) in blueprint.space
    with pytest.raises(Killed):
        searched(method, task(blueprint), tmp_path / "killed", stop_after=2)
    resumed = searched(method, task(blueprint), tmp_path / "killed")
    assert resumed["architecture"] == whole["architecture"]
    assert rows(resumed) == rows(whole)


def _values(payload: Json) -> Json:
    found = payload["architecture"]
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


def test_pc_darts_first_trains_only_weights(tmp_path: Path) -> None:
    found = searched("pc-darts", task(cells(), epochs=7), tmp_path)
    first, second, third = (epoch.probabilities for epoch in rows(found)[:3])
    assert first == second  # two of seven epochs, as fifteen of fifty
    assert second != third
    assert len(first["c/3/inputs"]) == 3
    assert found["settings"]["warmup"] == 0.3


def test_fair_darts_separates_weights(tmp_path: Path) -> None:
    def spread(penalty: float) -> float:
        settings = {"zero_one": penalty, "alpha_learning_rate": 0.5}
        found = searched("fair-darts", task(cells(), **settings), tmp_path / str(penalty))
        last = torch.tensor([p for row in rows(found)[-1].probabilities.values() for p in row])
        return (last - 0.5).abs().mean().item()

    assert spread(1000.0) > 0.45 > spread(0.0)


def test_beta_decay_of_any_method_lowers_the_parameters(tmp_path: Path) -> None:
    def certainty(**settings: float) -> float:
        found = searched(
            "darts", task(cells(), alpha_learning_rate=0.3, **settings), tmp_path / str(settings)
        )
        return max(max(row) for row in rows(found)[-1].probabilities.values())

    plain = certainty()
    assert certainty(alpha_variance=1000.0) < 0.7 * plain
    assert certainty(beta_decay=1000.0) < plain


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        (
            Blueprint(lambda: nn.Sequential(nn.Flatten(), OneOf("a", LAYERS))),
            "PartialChannels splits the channels of edges.*no edges.*instead: .*darts, darts-2nd.*spos",
        ),
        (cells(6), "edge 'c/2<-0' has 6 channels.*multiple of 4.*instead: .*darts"),
    ],
    ids=["no edges", "6 channels"],
)
def test_pc_darts_refuses_what_it_cannot_split(blueprint: Blueprint, message: str) -> None:
    with pytest.raises(CannotSearch, match=message):
        stages_of("pc-darts", task(blueprint))


@pytest.mark.parametrize("method", MIXTURES)
def test_sizes_that_cannot_be_mixed_are_refused(method: str) -> None:
    def make() -> nn.Module:
        width = Dim("width", (4, 8))
        return nn.Sequential(nn.Flatten(), ElasticLinear(64, width), ElasticLinear(width, 2))

    with pytest.raises(CannotSearch, match="'width'.*instead: .*random, randomnas.*spos"):
        stages_of(method, task(Blueprint(make)))


def test_settings_of_a_person_come_first() -> None:
    search = METHODS.get("fair-darts")(task(cells(), zero_one=0.5))[-1]
    assert isinstance(search, GradientSearch)
    assert search.settings.zero_one == 0.5
    assert search.settings.alpha_learning_rate == 3e-3
