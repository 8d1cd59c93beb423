import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_parameters
from nasturtium.methods.base import METHODS, Task
from nasturtium.methods.retrain import FOUND, RESIDUAL, contenders
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.spaces.base import make_space
from nasturtium.study.budget import Budget
from nasturtium.training.data.sources import open_data
from nasturtium.training.device import make_fabric
from nasturtium.training.settings import TrainSettings


@pytest.fixture(scope="module")
def task() -> Task:
    source = open_data("digits")
    blueprint = make_space("nasbench201", source.input_shape, 10, {"channels": 16, "cells": 2})
    return task_of(blueprint)


def task_of(blueprint: Blueprint) -> Task:
    return Task(
        blueprint=blueprint,
        final=blueprint,
        splits=open_data("digits").splits(0),
        training=TrainSettings(epochs=2),
        searching={},
        budget=Budget.parse("1 epoch"),
        fabric=make_fabric("cpu"),
        seed=0,
        mirror=False,
    )


def test_rivals_are_different_architectures_trained_alike(task: Task) -> None:
    found = task.final.space.sample(np.random.default_rng(3))
    nets = contenders(task, found, random_networks=5, epochs=7)
    assert [net.label for net in nets] == [FOUND, *(f"random {i}" for i in range(1, 6)), RESIDUAL]
    assert len({net.arch for net in nets[:-1]}) == 6
    assert {net.settings for net in nets} == {TrainSettings(epochs=7)}


def test_the_residual_network_has_about_as_many_parameters(task: Task) -> None:
    found = task.final.space.sample(np.random.default_rng(3))
    nets = contenders(task, found, random_networks=2, epochs=1)
    mine, residual = (count_parameters(net.build()) for net in (nets[0], nets[-1]))
    assert residual == pytest.approx(mine, rel=0.1)


def test_networks_are_built_the_same_every_time(task: Task) -> None:
    found = task.final.space.sample(np.random.default_rng(3))
    for net in contenders(task, found, random_networks=2, epochs=1):
        first, second = (net.build().state_dict() for _ in range(2))
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_space_without_rivals_is_refused() -> None:
    blueprint = Blueprint(lambda: OneOf("a", {"x": torch.nn.ReLU, "y": torch.nn.GELU}))
    found = blueprint.space.sample(np.random.default_rng(0))
    with pytest.raises(UsageError, match="too small for a comparison"):
        contenders(task_of(blueprint), found, random_networks=2, epochs=1)


def test_every_method_names_its_paper() -> None:
    assert {"darts", "darts-2nd", "random"} <= set(METHODS.names())
    assert all(METHODS.info(name).paper for name in METHODS.names())
