"""Single-path methods: every stage of every one of them, on a toy."""

from functools import partial
from pathlib import Path

import pytest

from nasturtium.core.config import SearchConfig
from nasturtium.core.errors import UsageError
from nasturtium.job import prepare
from nasturtium.methods.base import METHODS, Json, Task, stages_of
from nasturtium.methods.few_shot import Part, Whole
from nasturtium.methods.pace import Pace
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.study.ledger import Ledger
from nasturtium.study.progress import Silent
from nasturtium.study.run import Run
from nasturtium.training.data.in_memory import InMemory
from path_search_parts import BLUEPRINTS, images

ALL = ["spos", "randomnas", "fairnas", "bignas", "greedy-paths", "few-shot", "enas"]
TOY = images(120)


class Killed(Exception):
    pass


class KilledAt(Silent):
    """The process dies after so many finished epochs and trials."""

    def __init__(self, number: int) -> None:
        self.left = number

    def advance(self, done: int, **figures: float | str) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


def task(space: str = "nested", *, budget: str = "4 epochs", blueprint=None, **searching) -> Task:
    few = {"paths": 6} if "epoch" in budget else {}
    config = SearchConfig(
        budget=budget, searching={"batch_size": 16, **few, **searching}, device="cpu", seed=1
    )
    source = InMemory(TOY.images, TOY.labels, mirror=False)
    return prepare(config, source, blueprint or BLUEPRINTS[space])


def search(method: str, folder: Path, progress: Silent | None = None, **options) -> tuple[Json, Run]:
    """What the last stage found."""
    what = task(**options)
    stages = METHODS.get(method)(what)
    space = what.blueprint.space.to_dict()
    payload: Json = {}
    with Run.open(folder, "toy", config={}, space=space, seed=1, command="") as run:
        for stage in stages:
            payload = run.stage(stage.name, partial(stage.run, run, progress or Silent()))
        return payload, run


def told(payload: Json, run: Run) -> list:
    """Everything but the seconds."""
    curve = [{k: v for k, v in epoch.items() if k != "cost"} for epoch in payload["curve"]]
    trials = [(trial.arch, dict(trial.measurement.metrics)) for trial in run.trials("search")]
    return [payload["architecture"], payload["trial"], curve, trials]


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("space", BLUEPRINTS)
def test_every_method_searches_every_kind_of_choice(method, space, tmp_path):
    payload, run = search(method, tmp_path, space=space)
    found = Architecture.from_json(str(payload["architecture"]).replace("'", '"'))
    assert found in BLUEPRINTS[space].space
    trials = run.trials("search")
    assert len(trials) == 6
    assert {trial.status for trial in trials} == {"ok"}
    best = max(trials, key=lambda trial: trial.measurement.metrics["valid_accuracy"])
    assert (best.number, best.arch) == (payload["trial"], found)
    assert [epoch["epoch"] for epoch in payload["curve"]] == list(range(1, len(payload["curve"]) + 1))


@pytest.mark.parametrize("at", [1, 3, 5, 9])
@pytest.mark.parametrize("method", ALL)
def test_killed_and_resumed_it_ends_as_if_it_never_was(method, at, tmp_path):
    expected = told(*search(method, tmp_path / "whole"))
    with pytest.raises(Killed):
        search(method, tmp_path / "killed", KilledAt(at))
    assert told(*search(method, tmp_path / "killed")) == expected


def test_time_is_split_between_training_and_scoring(tmp_path):
    payload, run = search("spos", tmp_path, budget="3s", training_share=0.5)
    assert payload["curve"]
    assert run.trials("search")


def test_what_an_epoch_costs_is_what_the_method_trains(tmp_path):
    samples = {}
    for method in ("spos", "randomnas", "greedy-paths", "fairnas", "bignas", "few-shot"):
        _, run = search(method, tmp_path / method)
        spent = {entry.stage: entry.cost for entry in Ledger.of(run.events()).entries}
        samples[method] = sum(cost.samples for stage, cost in spent.items() if stage != "split")
    plain = samples["spos"]
    assert samples["randomnas"] == samples["greedy-paths"] == samples["few-shot"] == plain
    assert samples["fairnas"] == 3 * plain
    assert samples["bignas"] == 4 * plain


def test_the_parts_of_few_shot_cover_the_space_and_have_weights_of_their_own(tmp_path):
    _, run = search("few-shot", tmp_path, space="chain")
    found = run.stages()["split"].payload
    assert sorted(sum(found["parts"], [])) == ["conv1", "conv3", "conv5"]
    what = task("chain")
    whole = Whole(what, lambda _, space: None)
    spaces = [Part(what, whole, number).space(run) for number in range(2)]
    for path in what.blueprint.space.enumerate():
        assert sum(path in space for space in spaces) == 1
    trials = {trial.arch: trial for trial in run.trials("search")}
    assert {any(arch in space for arch in trials) for space in spaces} == {True}


@pytest.mark.parametrize(
    ("pace", "first", "part"),
    [
        (Pace(2, 10), Pace(1, 10), Pace(1, 5)),
        (Pace(3, 10), Pace(1, 10), Pace(1, 10)),
        (Pace(20, 7), Pace(10, 7), Pace(5, 7)),
        (Pace(7, 10), Pace(3, 10), Pace(2, 10)),
    ],
)
def test_the_parts_share_what_the_whole_leaves_over(pace, first, part):
    what = task()
    whole = Whole(what, lambda _, space: None)
    assert whole.stretch(pace) == first
    assert Part(what, whole, 0).stretch(pace) == part


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": "5 trials"}, "as time .'10m'. or as '20 epochs'"),
        ({"epochs": 3}, "give it as '20 epochs'"),
        ({"strategy": "rndom"}, "unknown strategy 'rndom': did you mean 'random'"),
        ({"learning_rates": 1}, "did you mean 'learning_rate'"),
        ({"training_share": 1.5}, "training_share = 1.5"),
        ({"training_share": 0.5}, "training_share: only a budget of time"),
        ({"budget": "5s", "paths": 3}, "paths: a time budget scores as many paths as fit"),
        ({"optimizer": "adamw", "momentum": 0.5}, "momentum: AdamW has none"),
    ],
)
def test_what_can_not_be_done_is_refused_before_anything_is_spent(method, options, said):
    with pytest.raises(UsageError, match=said):
        METHODS.get(method)(task(**options))


@pytest.mark.parametrize("method", ALL)
def test_training_settings_are_refused_by_name(method):
    blueprint = BLUEPRINTS["chain"].with_settings([Decision("train/learning_rate", (0.1, 0.2))])
    with pytest.raises(UsageError, match=r"training settings \(train/learning_rate\).*random"):
        stages_of(method, task(blueprint=blueprint))


def test_few_shot_needs_two_epochs():
    with pytest.raises(UsageError, match="at least '2 epochs'"):
        METHODS.get("few-shot")(task(budget="1 epoch"))


def test_half_an_epoch_has_half_as_many_steps():
    def pace(budget: str) -> Pace:
        return METHODS.get("spos")(task(budget=budget))[1].pace(Silent())

    whole = pace("1 epoch")
    assert whole.epochs == 1
    assert pace("0.5 epochs") == Pace(1, whole.steps // 2)
    assert pace("1.5 epochs") == Pace(2, int(whole.steps * 0.75))
