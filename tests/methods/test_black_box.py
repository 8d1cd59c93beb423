from dataclasses import replace

import pytest
import torch

from methods.tiny_task import Killed, KilledAt, run_stages, task_of
from nasturtium.core.errors import UsageError
from nasturtium.methods.base import METHODS, Task, stages_of
from nasturtium.study.log import RunLog
from nasturtium.study.store import Store
from nasturtium.training.checkpoint import Checkpoints
from study.study_parts import timeless


def task(budget: str = "18 trials", **searching: object) -> Task:
    made = task_of("nasbench201", {"channels": 4, "cells": 1}, budget)
    return replace(made, searching=searching, training=made.training.changed({"batch_size": 16}))


def stored(folder) -> list:
    """The log of a run without the measured times."""
    store = Store(folder / "nasturtium.db")
    return [(event.kind, timeless(event.payload)) for event in store.events(store.open_run("run").id)]


def test_promising_trials_are_continued_and_a_killed_search_ends_with_the_same_log(tmp_path):
    asha = task(strategy="asha")
    whole = run_stages(tmp_path / "whole", stages_of("black-box", asha))
    trials = RunLog.read(tmp_path / "whole", "run").trials("search")
    assert {t.fidelity.epochs for t in trials} == {1, 3, 8}
    spent = {epochs: [] for epochs in (1, 3, 8)}
    for trial in trials:
        spent[trial.fidelity.epochs].append(trial.measurement.cost.epochs)
    assert {n: set(costs) for n, costs in spent.items()} == {1: {1.0}, 3: {2.0}, 8: {5.0}}
    for done in (3, 10, 14, 17):
        with pytest.raises(Killed):
            run_stages(tmp_path / "killed", stages_of("black-box", asha), KilledAt("search", done))
    assert run_stages(tmp_path / "killed", stages_of("black-box", asha)) == whole
    assert stored(tmp_path / "killed") == stored(tmp_path / "whole")


def test_a_promoted_trial_ends_where_an_uninterrupted_one_would(tmp_path):
    asha = task(strategy="asha")
    run_stages(tmp_path, stages_of("black-box", asha))
    full = next(t for t in RunLog.read(tmp_path, "run").trials("search") if t.fidelity.epochs == 8)
    folder = tmp_path / "run" / "search"
    state = Checkpoints(folder / str(full.number), "train").latest()[1]
    assert len(full.measurement.curve) == 8
    assert state["paid"] == 3
    assert state["identity"]["settings"]["epochs"] == 8
    short = [t for t in RunLog.read(tmp_path, "run").trials("search") if t.arch == full.arch]
    assert [t.measurement.curve for t in short] == [
        full.measurement.curve[: t.fidelity.epochs] for t in short
    ]
    seeds = {Checkpoints(folder / str(t.number), "train").latest()[1]["identity"]["seed"] for t in short}
    assert len(seeds) == 1
    assert torch.is_tensor(next(iter(state["net"].values())))


def test_the_default_trains_each_proposal_fully(tmp_path):
    run_stages(tmp_path, stages_of("black-box", task("2 trials")))
    trials = RunLog.read(tmp_path, "run").trials("search")
    assert [t.fidelity.epochs for t in trials] == [8, 8]
    assert METHODS.info("black-box").settings.strategy == "auto"


def test_the_default_also_searches_a_space_without_end():
    assert stages_of("black-box", replace(task_of("network-morphism", {}), searching={}))


def test_what_can_not_be_is_refused_before_anything_is_spent():
    with pytest.raises(UsageError, match="unknown strategy 'asah': did you mean 'asha'"):
        stages_of("black-box", task(strategy="asah"))
    with pytest.raises(UsageError, match="there is no 'paths'"):
        stages_of("black-box", task(paths=3))
    growing = replace(task_of("network-morphism", {}), searching={"strategy": "bohb"})
    with pytest.raises(UsageError, match="bohb needs a list of decisions"):
        stages_of("black-box", growing)
