from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_task import Killed, KilledAt, run_stages, task_of, without_cost
from torch import nn

from nasturtium.core.errors import CannotSearch, UsageError
from nasturtium.methods.base import Json, stages_of
from nasturtium.methods.p_darts import PARTS, deepened, joined, p_darts, strongest, with_few_skips
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.edge import Edge
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import PRIMITIVES

NAMES = [part.name for part in PARTS]
DARTS = make_space("darts", (1, 8, 8), 3, {"channels": 2, "cells": 3}).space
ALL = len(PRIMITIVES)


def test_five_cells_become_eleven_and_seventeen() -> None:
    task, asked = task_of("darts", {"channels": 2, "cells": 5}), []
    task = replace(task, resized=lambda sizes: (asked.append(sizes), task.blueprint)[1])
    for part in PARTS:
        deepened(task, part.depth)
    assert [sizes["cells"] for sizes in asked] == [5, 11, 17]
    assert all(sizes["channels"] == 2 for sizes in asked)


def test_a_deepened_network_has_more_cells() -> None:
    blueprint = deepened(task_of("darts", {"channels": 2, "cells": 3}), 2)
    with torch.device("meta"):
        sites = [m.decision.name for m in blueprint.make().modules() if isinstance(m, Edge)]
    assert (sites.count("normal/2<-0"), sites.count("reduce/2<-0")) == (5, 2)


def test_a_space_without_cells_keeps_its_depth() -> None:
    for space in ("nasnet", Blueprint(lambda: OneOf("op", {"a": nn.ReLU, "b": nn.GELU}))):
        task = task_of(space, {})
        assert deepened(task, 3) is task.blueprint


def test_a_space_whose_decisions_depend_on_its_cells_keeps_its_depth() -> None:
    task = task_of("nasbench201", {"channels": 2, "cells": 1})
    task = replace(task, resized=lambda sizes: make_space("nasnet", (1, 8, 8), 3))
    assert deepened(task, 2) is task.blueprint


def counts(of: int) -> list[int]:
    space = SearchSpace([Decision("op", tuple(range(of)))])
    rows = {"op": [0.0] * of}
    return [len(strongest(space, {"op": range(of)}, rows, part.share)["op"]) for part in PARTS]


def test_how_many_options_each_stage_has() -> None:
    assert counts(8) == [8, 5, 3]
    assert counts(7) == [7, 5, 3]  # DARTS, whose eighth is the zero candidate
    assert counts(5) == [5, 4, 2]
    assert counts(2) == [2, 2, 2]
    assert counts(1) == [1, 1, 1]


def test_the_most_probable_options_stay_in_their_order() -> None:
    space = SearchSpace([Decision("op", tuple("abcdefgh"))])
    left = strongest(space, {"op": tuple("abcdefgh")}, {"op": [0, 7, 1, 6, 2, 5, 3, 4]}, 5 / 8)
    assert left == {"op": list("bdfgh")}
    assert strongest(space, left, {"op": [0.1, 0.2, 0.3, 0.15, 0.25]}, 3 / 8) == {"op": list("dfh")}


def rows_with_skips(normal: float, reduce: float = 0.01) -> dict[str, list[float]]:
    """Each edge gives skip_connect some probability, a little more the later it comes, and sep_conv_3x3
    0.3; of the others each has 0.02.
    """
    found = {}
    for i, decision in enumerate(d for d in DARTS.decisions.values() if not d.many):
        row = dict.fromkeys(decision.options, 0.02)
        row["sep_conv_3x3"] = 0.3
        row["skip_connect"] = (normal if decision.name.startswith("normal") else reduce) + 0.001 * i
        found[decision.name] = list(row.values())
    return found


def skips(arch, cell: str) -> list[str]:
    return [name for name, value in arch.items() if name.startswith(cell) and value == "skip_connect"]


def test_only_the_strongest_two_skips_of_the_normal_cell_are_left() -> None:
    arch = with_few_skips(DARTS, rows_with_skips(0.4, 0.4), 2)
    # each node had skips from its last two states; the latest edges have the strongest ones
    assert skips(arch, "normal/") == ["normal/5<-3", "normal/5<-4"]
    assert len(skips(arch, "reduce/")) == 8  # skips of the reduction cell are not counted
    normal = next(graph for graph in cell_graphs(arch, DARTS) if graph.name == "normal")
    assert [op for _, _, op in normal.edges].count("sep_conv_3x3") == 6


def test_a_skip_that_comes_in_for_another_is_counted_too() -> None:
    """The edges of node 2 are always used: without their skips others come in only there."""
    rows = rows_with_skips(0.01)
    at = DARTS.decisions["normal/2<-0"].options.index("skip_connect")
    for name in ("normal/5<-0", "normal/5<-1", "normal/5<-2", "normal/5<-3", "normal/5<-4"):
        rows[name] = [0.001] * ALL
    for name, value in zip(
        ("normal/5<-0", "normal/5<-1", "normal/5<-2", "normal/4<-0", "normal/4<-1"),
        (0.5, 0.6, 0.4, 0.7, 0.8),
        strict=True,
    ):
        rows[name][at] = value
    # node 5 uses skips from 0 and 1, node 4 also; dropping 5<-0 brings in 5<-2, which goes as well
    arch = with_few_skips(DARTS, rows, 2)
    assert skips(arch, "normal/") == ["normal/4<-0", "normal/4<-1"]
    assert with_few_skips(DARTS, rows, 4)["normal/5/inputs"] == (0, 1)


def test_few_skips_leave_everything_as_it_is() -> None:
    rows = rows_with_skips(0.01)
    before = {name: list(row) for name, row in rows.items()}
    assert skips(with_few_skips(DARTS, rows, 2), "normal/") == []
    assert rows == before


def test_an_edge_with_nothing_but_a_skip_keeps_it() -> None:
    names = [f"normal/{node}<-{source}" for node in range(2, 6) for source in range(node)]
    space = DARTS.restrict({name: ["skip_connect"] for name in names})
    rows = {name: [1.0] if name in names else row for name, row in rows_with_skips(0.4).items()}
    assert len(skips(with_few_skips(space, rows, 2), "normal/")) == 8


def test_left_out_options_have_probability_zero_in_the_joined_curve() -> None:
    space = SearchSpace([Decision("op", tuple("abc"))])
    stages = [
        {"options": {"op": list("abc")}, "curve": [{"epoch": 1, "probabilities": {"op": [0.2, 0.5, 0.3]}}]},
        {"options": {"op": list("bc")}, "curve": [{"epoch": 1, "probabilities": {"op": [0.6, 0.4]}}]},
    ]
    assert joined(space, stages) == [
        {"epoch": 1, "probabilities": {"op": [0.2, 0.5, 0.3]}},
        {"epoch": 2, "probabilities": {"op": [0.0, 0.6, 0.4]}},
    ]


def tiny(budget: str = "6 epochs", **searching: object):
    return task_of("nasbench201", {"channels": 2, "cells": 1}, budget, **searching)


def test_three_stages_each_with_the_best_options_of_the_one_before(tmp_path: Path) -> None:
    task, asked = tiny(), []
    resized = task.resized
    assert resized is not None
    task = replace(task, resized=lambda sizes: (asked.append(sizes["cells"]), resized(sizes))[1])
    found = run_stages(tmp_path, p_darts(task))
    assert list(found) == ["pace", *NAMES]
    assert set(asked) == {1, 3, 5}
    assert found["pace"] == {"epochs": 2, "steps": 3}
    assert [found[name]["settings"]["skip_dropout"] for name in NAMES] == [0.0, 0.4, 0.7]
    for before, after, number in (("search 1", "search 2", 4), ("search 2", "search", 2)):
        last = {name: row for epoch in found[before]["curve"] for name, row in epoch["probabilities"].items()}
        for name, left in found[after]["options"].items():
            options = found[before]["options"][name]
            best = sorted(options, key=lambda option: -last[name][options.index(option)])[:number]  # noqa: B023
            assert set(left) == set(best)
    assert all(len(row) == 2 for row in found["search"]["options"].values())
    curve = found["search"]["curve"]
    assert [epoch["epoch"] for epoch in curve] == [1, 2, 3, 4, 5, 6]
    for stage, left in ((curve[:2], 5), (curve[2:4], 4), (curve[4:], 2)):
        sizes = {sum(p > 0 for p in row) for epoch in stage for row in epoch["probabilities"].values()}
        assert sizes == {left}
    arch = found["search"]["architecture"]
    assert all(arch[name] in left for name, left in found["search"]["options"].items())
    assert list(arch.values()).count("skip_connect") <= 2


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    return run_stages(tmp_path_factory.mktemp("whole"), p_darts(tiny("3 epochs")))


@pytest.mark.parametrize("stage", NAMES)
def test_killed_in_any_stage_it_ends_as_if_it_never_was(
    stage: str, whole: dict[str, Json], tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        run_stages(tmp_path, p_darts(tiny("3 epochs")), KilledAt(stage, 1))
    resumed = run_stages(tmp_path, p_darts(tiny("3 epochs")))
    assert all(without_cost(resumed[name]) == without_cost(whole[name]) for name in NAMES)


def test_time_is_measured_for_all_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of each stage costs what it costs in that stage; together they make up the budget."""
    seconds = iter([0.1, 0.3, 0.6])
    monkeypatch.setattr("nasturtium.methods.gradient_search.seconds_per_step", lambda _, **__: next(seconds))
    stages = p_darts(tiny("60s"))
    (pace,) = run_stages(tmp_path, stages[:1]).values()
    assert pace == {"epochs": 20, "steps": 3}  # 60 steps of 1 s in all
    assert list(seconds) == []


def test_a_persons_settings_hold_in_every_stage(tmp_path: Path) -> None:
    found = run_stages(tmp_path, p_darts(tiny("1 epochs", skip_dropout=0.2, warmup=0.0)))
    assert found["pace"] == {"epochs": 1, "steps": 1}  # a third of a pass for each
    assert [found[name]["settings"]["skip_dropout"] for name in NAMES] == [0.2, 0.2, 0.2]


class Wave(nn.Module):
    """One of four activations and two of three shifts: no cells, no edges, no identities."""

    def __init__(self) -> None:
        super().__init__()
        kinds = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh)
        self.act = OneOf("act", {kind.__name__: kind for kind in kinds})
        self.which = InputChoice("which", 3)
        self.head = nn.Linear(64, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(x)
        return self.head(self.which([x, -x, x.flip(-1)]).flatten(1))


def test_it_searches_a_network_without_cells(tmp_path: Path) -> None:
    found = run_stages(tmp_path, p_darts(task_of(Blueprint(Wave), {})))
    assert [len(found[name]["options"]["act"]) for name in NAMES] == [4, 3, 2]
    assert [len(found[name]["options"]["which"]) for name in NAMES] == [3, 2, 2]
    assert found["search"]["architecture"]["act"] in found["search"]["options"]["act"]


def test_dropouts_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="skip_dropout: no edge of this space has an identity"):
        p_darts(task_of(Blueprint(Wave), {}, skip_dropout=0.3))
    p_darts(task_of(Blueprint(Wave), {}, path_dropout=0.1, skip_dropout=0.0))


def test_a_space_that_cannot_be_mixed_is_refused_with_the_methods_that_can() -> None:
    with pytest.raises(CannotSearch, match="needs one option.*instead: .*random.*spos"):
        stages_of("p-darts", task_of("nasbench101", {"channels": 5, "stacks": 1, "cells": 1}))
