import shutil
from pathlib import Path

import pytest
from tiny_task import Killed, KilledAt, run_stages, task_of, without_cost

from nasturtium.methods.base import Json
from nasturtium.methods.darts_pt import darts_pt, shares
from nasturtium.methods.pace import Pace
from nasturtium.study.log import RunLog

STAGES = ["pace", "search", "selection"]


def tiny(budget: str = "4 epochs", **searching: object):
    return task_of("nasbench201", {"channels": 2, "cells": 1}, budget, **searching)


def test_half_of_the_budget_searches_and_the_supernet_decides(tmp_path: Path) -> None:
    found = run_stages(tmp_path, darts_pt(tiny()))
    assert list(found) == STAGES
    assert found["pace"] == {"epochs": 2, "steps": 3}
    curve = found["selection"]["curve"]
    decided = [sum(1.0 in row for row in epoch["probabilities"].values()) for epoch in curve]
    assert decided == [1, 2, 3, 4, 5, 6]
    arch = found["selection"]["architecture"]
    assert len(arch) == 6
    log = RunLog.read(tmp_path, "run")
    spent = {entry.stage: entry.cost for entry in log.ledger().entries}
    batches, steps = found["selection"]["images"] // 16, found["selection"]["steps"]
    scored = 2  # the found network, once: BatchNorm measured, then the validation images
    assert spent["selection"].forward == 6 * 5 * batches + 6 * steps * 2 + scored
    assert spent["search"].forward == 2 * 3 * 2


def test_the_shares_of_a_selection_cost_as_much_as_the_search() -> None:
    pace = Pace(epochs=10, steps=40)  # 2400 passes
    images, steps = shares(pace, decisions=20, removals=100, batch_size=32, images=10_000)
    assert images == 12 * 32  # 1200 passes over 100 removals
    assert steps == 10  # 1200 passes over 20 decisions, 6 a step
    images, steps = shares(pace, decisions=20, removals=100, batch_size=32, images=100)
    assert images == 100  # there are no more: 4 batches, 400 passes
    assert steps == 16  # so that more is left to tune
    assert shares(Pace(1, 1), decisions=20, removals=100, batch_size=32, images=500) == (32, 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    return run_stages(tmp_path_factory.mktemp("whole"), darts_pt(tiny()))


@pytest.mark.parametrize(("stage", "done"), [("search", 1), ("search", 2), ("selection", 4)])
def test_killed_in_any_stage_it_ends_as_if_it_never_was(
    stage: str, done: int, whole: dict[str, Json], tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        run_stages(tmp_path, darts_pt(tiny()), KilledAt(stage, done))
    resumed = run_stages(tmp_path, darts_pt(tiny()))
    assert all(without_cost(resumed[name]) == without_cost(whole[name]) for name in STAGES[1:])


@pytest.mark.parametrize("searching", [{}, {"skip_dropout": 0.5, "path_dropout": 0.2}], ids=["", "dropouts"])
def test_without_its_checkpoints_the_supernet_is_searched_again(searching: dict, tmp_path: Path) -> None:
    whole = run_stages(tmp_path / "whole", darts_pt(tiny(**searching)))
    run_stages(tmp_path / "lost", darts_pt(tiny(**searching))[:2])
    shutil.rmtree(tmp_path / "lost" / "run" / "checkpoints")
    found = run_stages(tmp_path / "lost", darts_pt(tiny(**searching)))
    assert without_cost(found["selection"]) == without_cost(whole["selection"])
