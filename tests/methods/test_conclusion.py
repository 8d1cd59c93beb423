"""Whole gradient searches, small enough for a test."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.estimators.inherited import InheritedEstimator
from nasturtium.methods.base import METHODS, Task
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.calibrate import calibrate
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.protocols import Job
from nasturtium.problem.records import Fidelity
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.nasbench201 import nasbench201
from nasturtium.study.budget import Budget
from nasturtium.study.events import Note
from nasturtium.study.progress import Silent
from nasturtium.study.run import Run
from nasturtium.training.augment import in_order
from nasturtium.training.data.sources import open_data
from nasturtium.training.device import make_fabric
from nasturtium.training.evaluate import evaluate
from nasturtium.training.normalise import Normalise
from nasturtium.training.settings import TrainSettings


def images(classes: int = 3, each: int = 40) -> tuple[Tensor, Tensor]:
    """Bright squares, one place for each class."""
    generator = torch.Generator().manual_seed(0)
    x = (60 * torch.rand(classes * each, 1, 8, 8, generator=generator)).to(torch.uint8)
    y = torch.arange(classes).repeat(each)
    for i, label in enumerate(y.tolist()):
        x[i, :, 2 * label : 2 * label + 3, 2:6] += 150
    return x, y


SPLITS = open_data(images()).splits(0)
STEPS = 3  # of 16 images from 48


def task(blueprint: Blueprint, epochs: int = 1, **searching: float) -> Task:
    return Task(
        blueprint=blueprint,
        final=blueprint,
        splits=SPLITS,
        training=TrainSettings(epochs=1),
        searching={"batch_size": 16, **searching},
        budget=Budget.parse(f"{epochs} epochs"),
        fabric=make_fabric("cpu"),
        seed=0,
        mirror=False,
    )


def cell() -> Blueprint:
    return nasbench201((1, 8, 8), 3, channels=2, cells=1)


class Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def search(method: str, task: Task, folder) -> tuple[dict, list[str], Run]:
    """What the search found, what it said, and its run."""
    said = Said()
    space = task.blueprint.space.to_dict()
    with Run.open(folder, method, config={}, space=space, seed=0, command="") as run:
        for stage in METHODS.get(method)(task):
            found = run.stage(stage.name, partial(stage.run, run, said))
        return found, said.lines, run


@pytest.mark.parametrize(("method", "passes"), [("darts-implicit", 5), ("robust-darts", 1)])
def test_every_pass_of_a_method_is_counted(method, passes, tmp_path):
    found, _, _ = search(method, task(cell(), epochs=2), tmp_path)
    assert Architecture(found["architecture"]) in cell().space
    assert found["epoch"] == 2
    for epoch in found["curve"]:
        measuring = epoch["cost"]["forward"] - STEPS * (passes + 1)
        assert measuring == epoch["cost"]["backward"] - STEPS * (passes + 1)
        assert 0 <= epoch["entropy"] <= 1
        if method == "robust-darts":
            assert epoch["eigenvalue"] > 0
            assert 10 < measuring < 100
        else:
            assert epoch["eigenvalue"] is None
            assert measuring == 0


def test_robust_darts_has_stronger_weight_decay_that_a_person_may_change(tmp_path):
    found, said, _ = search("robust-darts", task(cell()), tmp_path / "its own")
    assert found["settings"]["weight_decay"] == pytest.approx(27e-4)
    assert any("too short to be stopped early" in line for line in said)
    found, _, _ = search("robust-darts", task(cell(), weight_decay=0.1), tmp_path / "mine")
    assert found["settings"]["weight_decay"] == 0.1


def test_robust_darts_without_curvature_is_refused():
    with pytest.raises(UsageError, match="eigenvalue_every must be 1 or more"):
        METHODS.get("robust-darts")(task(cell(), eigenvalue_every=0))


class Forgets(nn.Module):
    """A layer with parameters that lets nothing through."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return 0 * x + self.weight


class Bad(nn.Sequential):
    """Three layers that are best left out."""

    def __init__(self) -> None:
        layers = (OneOf(f"layer{i}", {"skip": nn.Identity, "forget": Forgets}) for i in range(3))
        super().__init__(nn.Flatten(), *layers, nn.Linear(64, 3))


def test_a_collapse_is_said_and_noted(tmp_path):
    found, said, run = search(
        "darts", task(Blueprint(Bad), epochs=8, alpha_learning_rate=0.2, warmup=0.5), tmp_path
    )
    assert [epoch["skips"] for epoch in found["curve"]][-1] == 3
    (remark,) = found["remarks"]
    assert "collapsed to skip connections: they are 3 of 3 operations" in remark
    assert remark in said
    notes = [event.text for event in run.events() if isinstance(event, Note)]
    assert notes == [remark]


def test_a_search_that_is_too_short_says_that_it_guesses(tmp_path):
    found, said, _ = search("darts", task(cell()), tmp_path)
    assert any("little more than a guess" in remark for remark in found["remarks"])
    assert set(found["remarks"]) <= set(said)


def test_a_search_that_is_killed_after_its_note_notes_it_once(tmp_path):
    hard = task(Blueprint(Bad), epochs=8, alpha_learning_rate=0.2, warmup=0.5)
    pace, stage = METHODS.get("darts")(hard)
    space = hard.blueprint.space.to_dict()
    with Run.open(tmp_path, "run", config={}, space=space, seed=0, command="") as run:
        run.stage(pace.name, partial(pace.run, run, Silent()))
        first, again = (stage.run(run, Silent()) for _ in range(2))
        assert again == first
        assert sum(isinstance(event, Note) for event in run.events()) == 1


def test_figures_are_in_the_log_while_the_search_runs(tmp_path):
    _, _, run = search("robust-darts", task(cell()), tmp_path)
    (record,) = run.epochs("search")
    assert {"entropy", "skips", "free_share", "eigenvalue"} <= record.keys()


def test_shared_weights_of_a_decided_mixture_are_as_good_as_the_mixture(tmp_path):
    supernet = Supernet(cell(), Softmax())
    with torch.no_grad():
        for i, alpha in enumerate(supernet.alphas.values()):
            alpha[i % 2 + 2] = 100.0  # a convolution
    fabric, normalise = make_fabric("cpu"), Normalise.measured(SPLITS.search_train)
    splits = SPLITS.search_train, SPLITS.search_valid
    estimator = InheritedEstimator(supernet.extract, *splits, fabric=fabric)
    arch = supernet.architecture()
    job = Job(0, arch, Fidelity(0), seed=0, workdir=tmp_path)
    found = estimator.evaluate(job, lambda *_: True).metrics
    calibrate(supernet, [x for x, _ in in_order(SPLITS.search_train, 256, normalise=normalise)])
    mixture = evaluate(supernet, SPLITS.search_valid, normalise, fabric=fabric)
    assert found["valid_loss"] == pytest.approx(mixture["loss"], rel=1e-4)
    assert found["valid_accuracy"] == mixture["accuracy"]
