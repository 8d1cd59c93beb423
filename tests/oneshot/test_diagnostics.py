import math

import numpy as np
import pytest
from torch import nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.edge import Edge
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS
from nasturtium.modules.repeat import Repeat
from nasturtium.modules.shortcut import Shortcut
from nasturtium.oneshot.collapse import collapse
from nasturtium.oneshot.diagnostics import OperationKinds, entropy, undecided
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.problem.records import SearchEpoch
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import SPACES, make_space

TRICKY = {
    "a": lambda: nn.Sequential(nn.Identity(), nn.Sequential()),
    "skip_connect": lambda: nn.Linear(4, 4),  # by its name a skip, by what it does none
    "pool": lambda: nn.AvgPool1d(1),
}


def kinds_of(*modules, restrict=None) -> tuple[Supernet, OperationKinds]:
    blueprint = Blueprint(lambda: nn.Sequential(*(module() for module in modules)))
    net = Supernet(blueprint.restrict(restrict) if restrict else blueprint, Softmax())
    return net, OperationKinds(net)


def test_modules_tell_what_an_option_is_not_names():
    _, kinds = kinds_of(lambda: OneOf("op", TRICKY))
    assert kinds.decisions["op"].skips == {"a"}
    assert kinds.decisions["op"].free == {"a", "pool"}
    found = {
        o: (kinds.skips(arch), kinds.free_share(arch)) for o in TRICKY for arch in [Architecture({"op": o})]
    }
    assert found == {"a": (1, 1.0), "skip_connect": (0, 0.0), "pool": (0, 1.0)}


def test_an_option_is_a_skip_only_if_it_is_one_at_every_site():
    ops = {name: OPS.get(name) for name in ("skip_connect", "avg_pool_3x3", "nor_conv_3x3")}
    _, kinds = kinds_of(lambda: Edge("e", ops, 4), lambda: Edge("e", ops, 4, stride=2))
    assert kinds.decisions["e"].skips == set()
    assert kinds.decisions["e"].free == {"avg_pool_3x3"}
    assert kinds.skips(Architecture({"e": "skip_connect"})) is None


def test_decisions_that_could_not_do_otherwise_are_left_out():
    def linear() -> nn.Module:
        return nn.Linear(4, 4)

    net, kinds = kinds_of(
        lambda: OneOf("activation", {"relu": nn.ReLU, "none": nn.Identity}),
        lambda: OneOf("layer", {"a": linear, "b": linear}),
        lambda: Repeat("depth", lambda _: nn.Linear(4, 4), (0, 1)),
        lambda: Shortcut("around", nn.Linear(4, 4), {"no": None, "yes": nn.Identity}),
        lambda: OneOf("only skips", TRICKY),
        restrict={"only skips": ["a", "pool"]},
    )
    assert kinds.decisions == {}
    arch = net.space.sample(np.random.default_rng(0))
    assert (kinds.skips(arch), kinds.free_share(arch), collapse(kinds, arch, net.space)) == (None, None, None)


@pytest.mark.parametrize(
    ("space", "skip", "decisions"),
    [
        ("nasbench201", "skip_connect", 6),
        ("nasbench-macro", "identity", 5),
        ("enas-micro", "skip_connect", 10),
    ],
)
def test_published_spaces_have_skips(space, skip, decisions):
    blueprint = make_space(space, (3, 32, 32), 10, dict(SPACES.get(space).small))
    kinds = OperationKinds(Supernet(blueprint))
    skipping = [name for name, found in kinds.decisions.items() if found.skips]
    assert len(skipping) == decisions
    assert all(kinds.decisions[name].skips == {skip} for name in skipping)


def test_in_darts_edges_that_reduce_have_no_skip():
    net = Supernet(make_space("darts", (1, 8, 8), 10, {"channels": 2, "cells": 3}), Softmax())
    kinds = OperationKinds(net)
    skipping = {name for name, found in kinds.decisions.items() if found.skips}
    edges = {name for name in net.space.decisions if "<-" in name}
    assert edges - skipping == {f"reduce/{node}<-{source}" for node in range(2, 6) for source in (0, 1)}
    assert all(len(found.free) >= 2 for found in kinds.decisions.values())
    # only active edges count
    arch = net.space.sample(np.random.default_rng(1))
    assert set(kinds.skipping(arch)) == skipping & set(arch)


def cell_of(*ops: str) -> Architecture:
    edges = [f"cell/{node}<-{source}" for node in (1, 2, 3) for source in range(node)]
    return Architecture(dict(zip(edges, ops, strict=True)))


def test_a_cell_has_collapsed_when_most_of_its_operations_are_skips():
    net = Supernet(make_space("nasbench201", (1, 8, 8), 10, {"channels": 2, "cells": 1}), Softmax())
    kinds = OperationKinds(net)
    skip, conv = "skip_connect", "nor_conv_3x3"
    sentence = collapse(kinds, cell_of(skip, skip, skip, skip, conv, conv), net.space)
    assert "4 of 6 operations of cell 'cell' (by chance it would be 1.2)" in sentence
    for ops in ([skip] * 3 + [conv] * 3, ["none"] * 6, ["avg_pool_3x3"] * 6):
        assert collapse(kinds, cell_of(*ops), net.space) is None


def test_one_skip_is_no_collapse_and_decisions_outside_of_cells_count_together():
    net, kinds = kinds_of(*(lambda i=i: OneOf(f"stage{i}/op", TRICKY) for i in range(3)))

    def arch(*ops: str) -> Architecture:
        return Architecture({f"stage{i}/op": op for i, op in enumerate(ops)})

    assert collapse(kinds, arch("a", "pool", "pool"), net.space) is None
    assert "2 of 3 operations (by chance it would be 1.0)" in collapse(
        kinds, arch("a", "a", "pool"), net.space
    )
    one, alone = kinds_of(lambda: OneOf("op", TRICKY))
    assert collapse(alone, Architecture({"op": "a"}), one.space) is None


def test_entropy_goes_from_decided_to_undecided():
    assert entropy({"a": [1.0, 0.0]}) == pytest.approx(0)
    assert entropy({"a": [0.25] * 4, "b": [0.5, 0.5]}) == pytest.approx(1)
    assert entropy({"a": [0.5] * 2, "b": [0.0, 1.0, 0.0]}) == pytest.approx(0.5)
    assert entropy({"a": [0.9, 0.1]}) == pytest.approx(-(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1)))


def test_entropy_counts_the_zero_candidate():
    assert entropy({"a": [1 / 3, 1 / 3]}) == pytest.approx(1)
    assert entropy({"a": [0.9999999, 1e-8]}) < 0.01


def test_options_that_do_not_compete_are_decided_one_by_one():
    assert entropy({"a": [0.5, 0.5, 0.5]}, compete=False) == pytest.approx(1)
    assert entropy({"a": [1.0, 1.0], "b": [0.0, 0.5]}, compete=False) == pytest.approx(1 / 4)


def test_entropy_of_nothing_to_decide():
    assert entropy({}) is None
    assert entropy({"only": [1.0]}) is None
    assert entropy({"only": [1.0], "a": [0.5, 0.5]}) == pytest.approx(1)


@pytest.mark.parametrize(("value", "said"), [(None, False), (0.5, False), (0.98, False), (0.995, True)])
def test_a_search_that_decided_next_to_nothing_says_so(value, said):
    sentence = undecided(SearchEpoch(1, 0.0, 0.0, 0.0, 0.0, {}, {}, entropy=value))
    assert (sentence is not None) == said
    assert sentence is None or "still 99.5 % as even as they can be" in sentence
