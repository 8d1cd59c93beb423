"""Selection by perturbation on images whose class is how bright the left and the right half are."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.bilevel import Found
from nasturtium.oneshot.perturbation import Perturbation, order, whole_batches
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.settings import BilevelSettings
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import Cost
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.training.checkpoint import Checkpoints
from nasturtium.training.data.image_set import ImageSet
from nasturtium.training.device import make_fabric

FABRIC = make_fabric("cpu")
SETTINGS = BilevelSettings(batch_size=16, learning_rate=0.01, learning_rate_end=0.0)


class Killed(Exception):
    pass


def images(number: int, *, seed: int) -> ImageSet:
    """Four classes: neither half bright, the right one, the left one, both."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.1 * torch.rand(number, 1, 4, 4, generator=generator)
    y = torch.arange(number) % 4
    x[:, :, :, :2] += (y // 2).view(-1, 1, 1, 1)
    x[:, :, :, 2:] += (y % 2).view(-1, 1, 1, 1)
    return ImageSet(x, y, ("none", "right", "left", "both"))


TRAIN, VALID = images(64, seed=0), images(48, seed=1)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x


class Halves(nn.Module):
    """What `body` leaves of an image → logits that tell its class apart, by the brightness of both halves."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.classifier = nn.Linear(2, 4)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.tensor([[-1.0, -1], [-1, 1], [1, -1], [1, 1]]))
            self.classifier.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return self.classifier(torch.stack([y[..., :2].mean((1, 2, 3)), y[..., 2:].mean((1, 2, 3))], dim=1))


def one_of() -> nn.Module:
    return Halves(OneOf("op", {"constant": lambda: Times(0.0), "identity": lambda: Times(1.0)}))


class Sides(nn.Module):
    """A node that may use nothing, the left half, or the right half of the image, two of the three."""

    def __init__(self) -> None:
        super().__init__()
        ops = {"zero": lambda c, stride: Times(0.0), "pass": lambda c, stride: Times(1.0)}
        self.cell = Cell("c", ops, 1, nodes=1, inputs=3)

    def forward(self, x: Tensor) -> Tensor:
        left = torch.cat([x[..., :2], torch.zeros_like(x[..., 2:])], dim=-1)
        return self.cell([torch.zeros_like(x), left, x - left])


def searched(make, **rows: list[float]) -> Supernet:
    supernet = Supernet(Blueprint(make), Softmax())
    with torch.no_grad():
        for name, row in rows.items():
            supernet.alphas[name].copy_(torch.tensor(row))
    return supernet


def select(supernet: Supernet, *, seed: int = 0, settings=SETTINGS, **options) -> Found:
    loop = Perturbation(supernet, settings, fabric=FABRIC, seed=seed)
    return loop.run(TRAIN, VALID, **{"images": 48, "steps": 2, **options})


def test_the_operation_that_is_needed_wins_though_softmax_prefers_the_other() -> None:
    supernet = searched(one_of, op=[2.0, 0.0])
    assert supernet.architecture() == Architecture({"op": "constant"})
    found = select(supernet)
    assert found.architecture == Architecture({"op": "identity"})
    assert found.curve[-1].probabilities == {"op": [0.0, 1.0]}


EDGES = [f"c/3<-{i}" for i in range(3)]


def test_of_the_inputs_those_stay_whose_removal_hurts_most() -> None:
    rows = {EDGES[0]: [-4.0, 4.0], EDGES[1]: [2.0, 0.0], EDGES[2]: [0.0, 0.5]}
    supernet = searched(lambda: Halves(Sides()), **rows)
    assert supernet.architecture()["c/3/inputs"] == (0, 1)  # the strongest operations
    found = select(supernet)
    assert found.architecture == Architecture({"c/3/inputs": (1, 2), EDGES[1]: "pass", EDGES[2]: "pass"})
    assert found.curve[-1].probabilities["c/3/inputs"] == [0.0, 1.0, 1.0]


def test_a_removed_option_leaves_its_gate_and_a_kept_one_is_alone() -> None:
    supernet = searched(one_of, op=[2.0, 0.0])
    x = torch.rand(3, 1, 4, 4)
    loop = Perturbation(supernet, SETTINGS, fabric=FABRIC, seed=0)
    body = supernet.net.body
    weights = supernet.probabilities()["op"]
    loop._removed = ("op", 0)
    supernet(x)
    assert torch.allclose(body(x), weights[1] * x)  # not scaled up
    loop._removed = None
    loop._kept["op"] = (1,)
    supernet(x)
    assert torch.equal(body(x), x)


def test_operations_are_decided_in_random_order_and_before_inputs() -> None:
    decisions = [Decision("in", (0, 1, 2), k=2), *(Decision(f"op{i}", ("a", "b")) for i in range(8))]
    space = SearchSpace([*decisions, Decision("all", (0, 1), k=2), Decision("only", ("a",))])
    names = [[decision.name for decision in order(space, seed)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    assert sorted(names[0]) == sorted(names[2]) == ["in", *(f"op{i}" for i in range(8))]
    assert names[0][-1] == names[2][-1] == "in"
    assert names[0][:-1] != sorted(names[0][:-1])


def test_measuring_and_tuning_are_counted() -> None:
    supernet = searched(lambda: Halves(Sides()))
    found = select(supernet, images=40, steps=3)
    assert [epoch.epoch for epoch in found.curve] == [1, 2, 3, 4]
    # 2 batches for each of 3 · 2 operations and 3 inputs, then 3 steps of 2 passes after each of 4 decisions
    assert found.cost.forward == 2 * (3 * 2 + 3) + 4 * 3 * 2
    assert found.cost.backward == 4 * 3 * 2
    assert found.cost.epochs == pytest.approx(4 * 3 * 16 / 64)
    assert found.cost == sum((Cost.from_dict(epoch.cost) for epoch in found.curve), Cost())


def test_what_the_search_dropped_is_no_longer_dropped() -> None:
    settings = SETTINGS.model_copy(update={"path_dropout": 0.9, "skip_dropout": 0.9, "warmup": 0.9})
    supernet = searched(one_of, op=[2.0, 0.0])
    supernet.filters.append(lambda decision, gate: pytest.fail("a filter of the search still runs"))
    assert select(supernet, settings=settings).architecture == Architecture({"op": "identity"})


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_interrupted_after_a_decision_it_ends_as_if_it_never_was(last: int, tmp_path) -> None:
    def told(found: Found) -> list:
        return [found.architecture, [replace(epoch, cost={}) for epoch in found.curve]]

    def stop(epoch) -> None:
        if epoch.epoch == last:
            raise Killed

    expected = select(searched(lambda: Halves(Sides())))
    checkpoints = Checkpoints(tmp_path, "selection")
    with pytest.raises(Killed):
        select(searched(lambda: Halves(Sides())), checkpoints=checkpoints, on_epoch=stop)
    torch.rand(3)
    resumed = select(searched(lambda: Halves(Sides())), checkpoints=checkpoints)
    assert told(resumed) == told(expected)


def test_images_come_in_whole_batches() -> None:
    assert whole_batches(100, 16, 1000) == 96
    assert whole_batches(5, 16, 1000) == 16
    assert whole_batches(1000, 16, 47) == 32
    assert whole_batches(1000, 16, 7) == 7
