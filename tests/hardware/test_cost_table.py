import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.hardware import cost_table
from nasturtium.hardware.cost_table import CostTable
from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim
from nasturtium.modules.edge import Edge
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.modules.example import random_images
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.repeat import Repeat
from nasturtium.space.decision import members
from nasturtium.spaces.base import make_space

METERS = {"flops": count_flops, "params": lambda net, *_: count_parameters(net)}


def linear(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), nn.Linear(width, 6))


class Chain(nn.Module):
    """Nested choices, a shared decision, a stack, a pair of inputs, and a fixed part."""

    def __init__(self) -> None:
        super().__init__()
        self.pick = InputChoice("pair", 3, k=2)
        self.first = OneOf("outer", {"plain": lambda: linear(2), "nested": self.nested, "none": nn.Identity})
        self.stack = Repeat("depth", self.block, (0, 1, 3))
        self.head = nn.Linear(6, 3)

    @staticmethod
    def nested() -> nn.Module:
        return nn.Sequential(
            nn.Linear(6, 6), OneOf("inner", {"narrow": lambda: linear(1), "wide": lambda: linear(9)})
        )

    @staticmethod
    def block(i: int) -> nn.Module:
        shared = OneOf("shared", {"small": lambda: linear(3 + i), "large": lambda: linear(8)})
        return nn.Sequential(shared, nn.ReLU()) if i else shared

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stack(self.first(self.pick([x, 2 * x, x * x]))))


def chain(kept=None) -> Blueprint:
    blueprint = Blueprint(Chain, example=random_images((6,)))
    return blueprint.restrict(kept) if kept else blueprint


def measured(metric, blueprint) -> CostTable:
    return CostTable.measured(metric, blueprint, blueprint.inputs)


@pytest.mark.parametrize("metric", ["flops", "params"])
def test_the_total_is_what_the_meter_counts_on_every_network_of_a_chain(metric):
    blueprint = chain()
    table = measured(metric, blueprint)
    totals = set()
    for arch in blueprint.space.enumerate():
        net = blueprint.build(arch, seed=0)
        assert table.total(arch) == METERS[metric](net, *blueprint.inputs(1))
        totals.add(table.total(arch))
    assert len(totals) > 10


@pytest.mark.parametrize("metric", ["flops", "params"])
@pytest.mark.parametrize(
    ("space", "shape", "sizes"),
    [
        ("nasbench201", (3, 8, 8), {"channels": 4, "cells": 2}),
        ("darts", (1, 9, 9), {"channels": 4, "cells": 3, "auxiliary": 1}),
        ("nasbench-macro", (3, 16, 16), {}),
    ],
)
def test_the_total_is_what_the_meter_counts_on_published_spaces(space, shape, sizes, metric):
    blueprint = make_space(space, shape, 5, sizes)
    table = measured(metric, blueprint)
    rng = np.random.default_rng(1)
    for arch in [blueprint.space.sample(rng) for _ in range(3)]:
        net = blueprint.build(arch, seed=0)
        assert table.total(arch) == METERS[metric](net, *blueprint.inputs(1))


def test_weights_that_options_share_count_once():
    blueprint = make_space("darts-rnn", (5,), 20, {"width": 8, "nodes": 3})
    table = measured("params", blueprint)
    arch = blueprint.space.sample(np.random.default_rng(0))
    assert table.total(arch) == count_parameters(blueprint.build(arch, seed=0))


class SharedPair(nn.Module):
    """Two choices whose first options use one and the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        layer = self.layer
        self.choices = nn.Sequential(
            *(OneOf(name, {"layer": lambda: layer, "none": nn.Identity}) for name in ("one", "other"))
        )
        del self.layer

    def forward(self, x: Tensor) -> Tensor:
        return self.choices(x)


def test_a_layer_of_either_of_two_choices_counts_where_any_takes_it():
    table = measured("params", Blueprint(SharedPair, example=random_images((4,))))
    totals = [table.total(arch) for arch in table.space.enumerate()]
    assert sorted(totals) == [0, 20, 20, 20]
    rows = {"one": torch.tensor([0.3, 0.7]), "other": torch.tensor([0.6, 0.4])}
    assert table.expected(rows).item() == pytest.approx(20 * (1 - 0.7 * 0.4))


def random_rows(space, *, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(len(d.options), generator=generator, dtype=torch.float64).softmax(0).requires_grad_()
        for name, d in space.decisions.items()
        if not d.many
    }


def by_enumeration(table: CostTable, rows: dict[str, Tensor]) -> Tensor:
    """The sum over all architectures of probability times cost."""
    found = torch.zeros((), dtype=torch.float64)
    for arch in table.space.enumerate():
        p = torch.ones((), dtype=torch.float64)
        for name, value in arch.items():
            decision = table.space.decisions[name]
            row = rows.get(name)
            p = p / decision.count() if row is None else p * row[decision.options.index(members(value)[0])]
        found = found + p * table.total(arch)
    return found


KEPT = {"depth": [1, 3], "inner": ["wide"]}


@pytest.mark.parametrize("kept", [None, KEPT], ids=["whole", "restricted"])
@pytest.mark.parametrize("given", [("outer", "inner", "depth", "shared"), ("outer", "depth"), ()])
@pytest.mark.parametrize("metric", ["flops", "params"])
def test_the_expected_cost_and_its_gradient_are_those_of_enumeration(metric, given, kept):
    table = measured(metric, chain(kept))
    rows = {name: row for name, row in random_rows(table.space).items() if name in given}
    found, expected = table.expected(rows), by_enumeration(table, rows)
    assert found.item() == pytest.approx(expected.item(), rel=1e-12)
    if rows:
        slopes = [torch.autograd.grad(y, list(rows.values())) for y in (found, expected)]
        for a, b in zip(*slopes, strict=True):
            # a row's entries may be shifted together: rows of probabilities keep their sum
            assert torch.allclose(a - a.mean(), b - b.mean())


class Node(nn.Module):
    """A pair of edges out of three, as in a cell of DARTS."""

    def __init__(self) -> None:
        super().__init__()
        from nasturtium.modules.cells.cell import Cell
        from nasturtium.modules.ops import OPS

        names = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")
        self.cell = Cell("c", {n: OPS.get(n) for n in names}, 2, nodes=2, inputs=1, k=1, null=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell([x])


def test_a_cell_whose_nodes_choose_their_inputs():
    table = measured("flops", Blueprint(Node, example=random_images((2, 4, 4))))
    rows = random_rows(table.space)
    assert any(d.many for d in table.space.decisions.values())
    assert table.expected(rows).item() == pytest.approx(by_enumeration(table, rows).item())


def test_what_the_zero_candidate_takes_costs_nothing():
    ops = {"a": lambda c, s: linear(2), "b": lambda c, s: linear(4)}
    table = measured("params", Blueprint(lambda: Edge("op", ops, 6, null=True), example=random_images((6,))))
    a, b = (count_parameters(linear(width)) for width in (2, 4))
    assert table.expected({"op": torch.tensor([0.5, 0.25])}).item() == 0.5 * a + 0.25 * b


def test_rows_of_k_of_n_decisions_are_refused():
    table = measured("params", chain())
    with pytest.raises(UsageError, match="k-of-n decisions, but got 'pair'"):
        table.expected({"pair": torch.tensor([0.3, 0.3, 0.4])})


def test_it_survives_json():
    table = measured("flops", chain())
    again = CostTable.from_dict(json.loads(json.dumps(table.to_dict())), chain().space)
    assert again.costs == table.costs
    assert again.metric == "flops"


class Slow(nn.Module):
    """Takes its time on a clock of its own."""

    clock = 0.0

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def forward(self, x: Tensor) -> Tensor:
        Slow.clock += self.seconds
        return x


class SlowChain(nn.Module):
    """A second always, two or three by `op`, and by `deep` four more, or five and those of `inner`."""

    def __init__(self) -> None:
        super().__init__()
        self.fixed = Slow(1)
        self.op = OneOf("op", {"a": lambda: Slow(2), "b": lambda: Slow(3)})
        self.deep = OneOf(
            "deep",
            {
                "a": lambda: Slow(4),
                "b": lambda: nn.Sequential(
                    Slow(5), OneOf("inner", {"x": lambda: Slow(6), "y": lambda: Slow(7)})
                ),
            },
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.deep(self.op(self.fixed(x)))


def test_latencies_are_milliseconds_of_each_part_by_itself(monkeypatch):
    monkeypatch.setattr(cost_table, "perf_counter", lambda: Slow.clock)
    table = measured("latency_ms", Blueprint(SlowChain, example=random_images((2,))))
    totals = {tuple(arch.values()): table.total(arch) for arch in table.space.enumerate()}
    assert totals == pytest.approx(
        {
            ("a", "a"): 7e3,
            ("b", "a"): 8e3,
            ("a", "b", "x"): 14e3,
            ("b", "b", "x"): 15e3,
            ("a", "b", "y"): 15e3,
            ("b", "b", "y"): 16e3,
        }
    )


def test_measuring_needs_no_global_chance_and_leaves_none():
    before = torch.get_rng_state()
    assert measured("flops", chain()).costs == measured("flops", chain()).costs
    assert torch.equal(torch.get_rng_state(), before)


def test_sizes_that_depend_on_each_other_are_refused_by_name():
    def make() -> nn.Module:
        width = Dim("width", (2, 4))
        return nn.Sequential(ElasticLinear(6, width), ElasticLinear(width, 3))

    blueprint = Blueprint(make, example=random_images((6,)))
    with pytest.raises(UsageError, match="what ElasticLinear costs by 'width' depends on other decisions"):
        measured("flops", blueprint)
    only = blueprint.restrict({"width": [4]})
    assert measured("flops", only).expected({}).item() == 6 * 4 + 4 * 3


def test_sums_that_do_not_come_true_are_refused():
    with pytest.raises(UsageError, match="flops of this space are no sum.*would give [0-9,]+ for a network"):
        measured(
            "flops",
            make_space("auto-deeplab", (3, 32, 32), 5, {"channels": 2, "layers": 2, "stem": 4, "head": 4}),
        )
