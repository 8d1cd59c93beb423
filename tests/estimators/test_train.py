from pathlib import Path

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.estimators.train import TrainEstimator, searched_jointly, settings_of
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity, Measurement
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import make_space
from nasturtium.spaces.nasbench201 import from_string
from nasturtium.training.data.sources import open_data
from nasturtium.training.device import make_fabric
from nasturtium.training.settings import TrainSettings

ARCH = from_string("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|nor_conv_1x1~2|")


def evaluate(
    folder: Path,
    arch: Architecture = ARCH,
    seed: int = 1,
    *,
    epochs: int = 2,
    full: int = 2,
    resume_from: Path | None = None,
) -> Measurement:
    source = open_data("digits")
    splits = source.splits(0)
    blueprint = searched_jointly(
        make_space("nasbench201", source.input_shape, 10, {"channels": 4, "cells": 1}),
        {"learning_rate": [0.001, 0.05]},
    )
    estimator = TrainEstimator(
        blueprint,
        splits.search_train,
        splits.search_valid,
        TrainSettings(),
        epochs=full,
        fabric=make_fabric("cpu"),
    )
    seen: list[int] = []
    job = Job(0, arch, Fidelity(epochs), seed, folder, resume_from)
    measurement = estimator.evaluate(job, lambda epoch, _: seen.append(epoch) is None)
    assert seen == list(range(1, epochs + 1))
    return measurement


def with_rate(rate: float) -> Architecture:
    return Architecture({**ARCH, "train/learning_rate": rate})


def test_measures_what_training_gave_and_cost(tmp_path: Path) -> None:
    found = evaluate(tmp_path, with_rate(0.05))
    assert found.metrics["valid_accuracy"] == found.curve[-1]["valid_accuracy"] > 0.1
    assert found.curve[1]["train_loss"] < found.curve[0]["train_loss"]
    assert found.cost.epochs == pytest.approx(2, abs=0.2)
    assert len(found.curve) == 2


def test_depends_on_the_job_only(tmp_path: Path) -> None:
    first, second = (evaluate(tmp_path / name, with_rate(0.05)).metrics for name in ("a", "b"))
    assert first == second
    assert evaluate(tmp_path / "c", with_rate(0.05), seed=2).metrics != first


def test_two_epochs_and_then_six_are_six(tmp_path: Path) -> None:
    arch = with_rate(0.05)
    whole = evaluate(tmp_path / "whole", arch, epochs=6, full=6)
    short = evaluate(tmp_path / "short", arch, epochs=2, full=6)
    long = evaluate(tmp_path / "long", arch, epochs=6, full=6, resume_from=tmp_path / "short")
    assert long.metrics == whole.metrics
    assert long.curve == whole.curve
    assert long.curve[:2] == short.curve
    assert (short.cost.epochs, long.cost.epochs) == pytest.approx((2, 4), abs=0.4)
    assert short.cost.backward + long.cost.backward == whole.cost.backward


def test_short_trainings_follow_the_schedule_of_the_full_one(tmp_path: Path) -> None:
    arch = with_rate(0.05)
    rates = [evaluate(tmp_path / str(full), arch, full=full).curve[-1]["learning_rate"] for full in (2, 6)]
    assert rates[0] < 0.001 < 0.03 < rates[1]
    with pytest.raises(UsageError, match="a full training has 2 epochs; a trial of 3 is longer"):
        evaluate(tmp_path / "longer", arch, epochs=3)


def test_training_settings_of_the_architecture_are_used(tmp_path: Path) -> None:
    fast, slow = (evaluate(tmp_path / str(rate), with_rate(rate)) for rate in (0.05, 0.001))
    assert fast.curve[0]["learning_rate"] > 10 * slow.curve[0]["learning_rate"]
    assert fast.metrics["train_loss"] < slow.metrics["train_loss"]


def test_settings_that_do_not_exist_or_do_not_fit_are_refused() -> None:
    blueprint = make_space("nasbench201", (1, 8, 8), 10, {})
    with pytest.raises(UsageError, match="did you mean 'learning_rate'"):
        searched_jointly(blueprint, {"learning_rates": [0.1]})
    with pytest.raises(UsageError, match="learning_rate = -1"):
        searched_jointly(blueprint, {"learning_rate": [-1]})
    assert settings_of({"train/momentum": 0.5}, TrainSettings(), epochs=3).momentum == 0.5
