from functools import partial
from pathlib import Path

import pytest
import torch

from nasturtium.core.config import SearchConfig
from nasturtium.core.errors import UsageError
from nasturtium.hardware.cost_table import CostTable
from nasturtium.hardware.meters import count_flops
from nasturtium.job import prepare
from nasturtium.methods.base import METHODS, Json
from nasturtium.methods.fbnet import fbnet
from nasturtium.methods.proxylessnas import proxylessnas, proxylessnas_rl
from nasturtium.study.progress import SILENT
from nasturtium.study.run import Run
from nasturtium.training.data.sources import open_data

METHODS_WITH_COSTS = [fbnet, proxylessnas, proxylessnas_rl]


def data() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (90, 1, 8, 8), generator=generator, dtype=torch.uint8)
    return pixels, torch.arange(90) % 3


def task_of(space: str = "nasbench201", **searching: object):
    sizes = {"channels": 2, "cells": 1} if space == "nasbench201" else {"channels": 2, "layers": 3}
    config = SearchConfig(
        space=space,
        budget="2 epochs",
        device="cpu",
        search_net=sizes,
        final_net=sizes | {"channels": 4} if space == "nasbench201" else sizes,
        searching={"batch_size": 16, **searching},
    )
    return prepare(config, open_data(data(), image_size=None), space)


def finished(stages, folder: Path, *, name: str = "run") -> list[Json]:
    with Run.open(folder, name, config={}, space={}, seed=0, command="") as run:
        return [run.stage(stage.name, partial(stage.run, run, SILENT)) for stage in stages]


def told(search: Json) -> Json:
    return {**search, "curve": [{k: v for k, v in row.items() if k != "cost"} for row in search["curve"]]}


@pytest.mark.parametrize("method", METHODS_WITH_COSTS)
def test_costs_of_the_final_network_are_measured_first_and_written_down(method, tmp_path):
    task = task_of(cost_weight=0.1)
    costs, _, search = finished(method(task), tmp_path)
    table = CostTable.from_dict(costs, task.final.space)
    arch = task.final.space.validate(search["architecture"])
    images = torch.rand(1, *task.splits.train.input_shape)
    assert table.total(arch) == count_flops(task.final.build(arch, seed=0), images)
    assert search["settings"]["cost"] == "flops"


@pytest.mark.parametrize("method", METHODS_WITH_COSTS)
def test_without_weight_nothing_is_measured_and_the_search_is_another(method, tmp_path):
    """With the architecture's steps so large that the costs show."""
    fast = {"alpha_learning_rate": 1.0, "warmup": 0.0}
    stages = method(task_of(cost_weight=0, **fast))
    assert [stage.name for stage in stages] == ["pace", "search"]
    free = finished(stages, tmp_path, name="free")[-1]
    costly = finished(method(task_of(cost_weight=5, **fast)), tmp_path, name="costly")[-1]
    assert free["curve"][-1]["probabilities"] != costly["curve"][-1]["probabilities"]


def test_measured_latencies_are_kept_for_the_resumed_search(tmp_path):
    task = task_of(cost="latency_ms")
    first = finished(proxylessnas(task), tmp_path, name="first")
    assert first[0]["metric"] == "latency_ms"
    assert all(row["cost"] >= 0 for row in first[0]["costs"])
    with Run.open(tmp_path, "second", config={}, space={}, seed=0, command="") as run:
        run.stage("costs", lambda: first[0])  # another measurement would differ
    second = finished(proxylessnas(task), tmp_path, name="second")
    assert second[0] == first[0]
    assert told(second[-1]) == told(first[-1])


def test_costs_that_are_no_sum_are_refused_with_the_way_out(tmp_path):
    with pytest.raises(
        UsageError, match="ElasticConv2d costs by.*with cost_weight=0 this method can search it"
    ):
        finished(proxylessnas_rl(task_of("chain", cost_weight=0.1)), tmp_path)
    with pytest.raises(UsageError, match="would get a mixture"):
        proxylessnas(task_of("chain"))


def test_the_policy_searches_such_spaces_for_accuracy_alone(tmp_path):
    task = task_of("chain")
    search = finished(proxylessnas_rl(task), tmp_path)[-1]
    assert task.blueprint.space.why_not(search["architecture"]) is None


def test_published_step_sizes_are_defaults_that_a_person_may_change(tmp_path):
    found = {
        m.__name__: finished(m(task_of(warmup=0.0)), tmp_path, name=m.__name__) for m in METHODS_WITH_COSTS
    }
    momenta = {name: stages[-1]["settings"]["alpha_momentum"] for name, stages in found.items()}
    assert momenta == {"fbnet": 0.9, "proxylessnas": 0.0, "proxylessnas_rl": 0.0}
    assert all(stages[-1]["settings"]["warmup"] == 0.0 for stages in found.values())
    with pytest.raises(UsageError, match="cost = 'watts'.*latency_ms as measured on this machine"):
        fbnet(task_of(cost="watts"))


def test_a_cost_without_weight_is_refused():
    with pytest.raises(UsageError, match="cost = 'params' counts for nothing: set cost_weight"):
        proxylessnas_rl(task_of(cost="params"))
    proxylessnas_rl(task_of(cost="params", cost_weight=0.1))


@pytest.mark.parametrize("name", ["snas", "gdas", "fbnet", "proxylessnas", "proxylessnas-rl"])
def test_they_are_registered(name):
    assert METHODS.info(name).paper.startswith("https://arxiv.org/abs/")
