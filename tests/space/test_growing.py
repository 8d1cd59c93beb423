import json
import math

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.space.decision import Decision
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.moves import AddBranch, AddSkip, Deepen, GrowKernel, Move, Widen
from nasturtium.space.structure import Block, Place, Structure

BASE = Structure(((Block(4),), (Block(4), Block(6, (3, 5)))))
ONE, TWO, THREE = Place(1, 1), Place(2, 1), Place(2, 2)


def space(steps: int = 6, settings: tuple[Decision, ...] = ()) -> GrowingSpace:
    return GrowingSpace(Architecture(BASE.values()), steps=steps, settings=settings)


def grown(*moves: Move) -> Architecture:
    structure = BASE
    for move in moves:
        structure = move.apply(structure)
    return Architecture(structure.values())


def test_decisions_are_named_by_stage_and_block():
    assert BASE.values() == {
        "stage1/block1/width": 4,
        "stage1/block1/kernels": (3,),
        "stage2/block1/width": 4,
        "stage2/block1/kernels": (3,),
        "stage2/block1/skip": "no",
        "stage2/block2/width": 6,
        "stage2/block2/kernels": (3, 5),
        "stage2/block2/skip": "no",
    }
    arch = Architecture(BASE.values())
    assert Architecture.from_json(arch.to_json()) == arch in space()
    assert space().structure(arch) == BASE


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((Widen(ONE, 8), GrowKernel(THREE, 5, 7)), (GrowKernel(THREE, 5, 7), Widen(ONE, 8))),
        ((AddBranch(ONE, 7), AddBranch(ONE, 5)), (AddBranch(ONE, 5), AddBranch(ONE, 7))),
        ((AddBranch(ONE, 3), GrowKernel(ONE, 3, 7)), (GrowKernel(ONE, 3, 7), AddBranch(ONE, 3))),
        ((AddSkip(TWO), Widen(TWO, 8)), (Widen(ONE, 8), Widen(TWO, 8), AddSkip(TWO))),
        ((Deepen(THREE), AddBranch(TWO)), (AddBranch(TWO), Deepen(THREE))),
    ],
)
def test_orders_that_lead_to_the_same_network_are_the_same_architecture(one, other):
    assert grown(*one) == grown(*other)
    assert grown(*one).digest == grown(*other).digest


def test_blocks_that_a_skip_ties_are_widened_together():
    tied = grown(AddSkip(TWO), Deepen(TWO), Widen(TWO, 5))
    assert [tied[f"{p}/width"] for p in ("stage1/block1", "stage2/block1", "stage2/block2")] == [5, 5, 4]
    both = grown(AddSkip(TWO), Deepen(TWO), AddSkip(Place(2, 2)), Widen(Place(2, 2), 9))
    assert [value for name, value in both.items() if name.endswith("width")] == [9, 9, 9, 6]


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (Widen(Place(3, 1), 8), "Widen at stage3/block1: there is no such block.*stage1 has 1, stage2 has 2"),
        (Deepen(Place(1, 2)), "Deepen at stage1/block2: there is no such block"),
        (AddSkip(Place(0, 0)), "AddSkip at stage0/block0: there is no such block"),
        (Widen(ONE, 4), "Widen at stage1/block1: it has 4 channels already; widen it to more.*not 4"),
        (GrowKernel(THREE, 7, 9), "GrowKernel at stage2/block2: it has no kernel 7, but 3, 5"),
        (GrowKernel(THREE, 5, 3), "stage2/block2: kernel 5 can only grow, not become 3"),
        (GrowKernel(THREE, 5, 8), "stage2/block2: kernel sizes are odd.*got 8"),
        (Deepen(ONE, 4), "Deepen at stage1/block1: kernel sizes are odd.*got 4"),
        (AddBranch(ONE, 0), "AddBranch at stage1/block1: kernel sizes are odd.*got 0"),
        (Deepen(ONE, None), "Deepen at stage1/block1: kernel sizes are odd.*got None"),
        (AddBranch(ONE, 3.0), "AddBranch at stage1/block1: kernel sizes are odd.*got 3.0"),
        (GrowKernel(ONE, 3, True), "GrowKernel at stage1/block1: kernel sizes are odd.*got True"),
        (Widen(ONE, "8"), "Widen at stage1/block1: a width is a whole number of channels, not '8'"),
        (Widen(ONE, 8.5), "Widen at stage1/block1: a width is a whole number of channels, not 8.5"),
        (Widen("stage1", 8), "Widen at stage1: there is no such block"),
        (AddSkip(ONE), "AddSkip at stage1/block1: .*takes the image"),
        (AddSkip(THREE), "AddSkip at stage2/block2: 4 channels come in and 6 go out; widen stage2/block1"),
    ],
)
def test_impossible_moves_name_the_block(move, message):
    with pytest.raises(UsageError, match=message):
        move.apply(BASE)
    with pytest.raises(UsageError, match="it has a skip connection already"):
        grown(AddSkip(TWO), AddSkip(TWO))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage3/block1/width": 4}, "unknown decision 'stage3/block1/width': expected stage<1 to 2>"),
        ({"depth": 4}, "unknown decision 'depth'"),
        ({3: 4}, "unknown decision 3"),
        ({"stage1/block02/width": 4}, "unknown decision 'stage1/block02/width'"),
        ({"stage1/block3/width": 4}, "decision 'stage1/block2/width' is missing"),
        ({"stage1/block1/skip": "no"}, "'stage1/block1/skip' is given, but what comes in there is the image"),
        ({"stage1/block1/width": 0}, "'stage1/block1/width' got 0; allowed: a whole number"),
        ({"stage1/block1/width": 4.0}, "'stage1/block1/width' got 4.0; allowed: a whole number"),
        ({"stage1/block1/width": True}, "'stage1/block1/width' got True"),
        ({"stage1/block1/kernels": (4,)}, r"'stage1/block1/kernels' got \(4,\); allowed: odd numbers"),
        ({"stage1/block1/kernels": (5, 3)}, "'stage1/block1/kernels' got .*ascending"),
        ({"stage1/block1/kernels": 3}, "'stage1/block1/kernels' got 3"),
        ({"stage2/block1/skip": "maybe"}, "'stage2/block1/skip' got 'maybe'; allowed: no, yes"),
        ({"stage2/block2/skip": "yes"}, "'stage2/block2/skip' got yes, but 4 channels come in and 6 go out"),
    ],
)
def test_wrong_architectures_are_refused_with_the_decision(changes, message):
    values = {**BASE.values(), **changes}
    assert values not in space()
    with pytest.raises(UsageError, match=message):
        space().validate(values)


@pytest.mark.parametrize("values", [None, 3, ["stage1"], "|nor_conv_3x3~0|"])
def test_what_is_no_architecture_is_refused(values):
    with pytest.raises(UsageError, match="an architecture maps the names of decisions to values, got"):
        space().validate(values)


def test_missing_decisions_are_named():
    values = BASE.values()
    del values["stage2/block1/skip"]
    assert space().why_not(values) == "decision 'stage2/block1/skip' is missing; allowed: no, yes"
    assert "'stage1/block1/width' is missing" in space().why_not({})


def test_random_architectures_are_walks_of_bounded_length():
    rng = np.random.default_rng(0)
    near = set(space(steps=2).enumerate())
    drawn = {space(steps=2).sample(rng) for _ in range(300)}
    assert drawn <= near
    assert Architecture(BASE.values()) in drawn
    assert len(drawn) > 40
    assert len(near) == len({arch.digest for arch in near})


def test_moving_about_stays_in_the_space():
    rng, s = np.random.default_rng(1), space()
    for kind in ("uniform", "single-point", "cell"):
        for _ in range(40):
            a, b = s.sample(rng), s.sample(rng)
            child = s.crossover(s.mutate(a, rng, n=3), b, rng, kind=kind)
            assert s.validate(child) == child
    assert s.crossover(a, a, rng) == a
    with pytest.raises(UsageError, match="unknown crossover 'twice'"):
        s.crossover(a, b, rng, kind="twice")


def test_neighbours_are_one_move_away_and_mutations_are_neighbours():
    s, rng = space(), np.random.default_rng(2)
    arch = s.sample(rng)
    near = list(s.neighbors(arch))
    assert len(set(near)) == len(near)
    assert {s.moved(arch, move) for move in s.moves(arch)} == set(near)
    assert {s.mutate(arch, rng) for _ in range(30)} <= set(near)
    assert all(other in s for other in near)


def test_completing_keeps_what_is_allowed():
    s, rng = space(), np.random.default_rng(3)
    arch = s.sample(rng)
    assert s.complete(arch, rng) == arch
    wish = {"stage1/block1/width": 12, "stage1/block2/kernels": (5,), "stage2/block1/width": -3, "x": 1}
    found = s.complete(wish, rng)
    assert found in s
    assert (found["stage1/block1/width"], found["stage1/block2/kernels"]) == (12, (5,))
    assert "stage1/block3/width" not in found


def test_an_unbounded_space_has_no_size_encoding_or_restriction():
    assert space().size() == math.inf
    with pytest.raises(UsageError, match="space without end have no encoding"):
        space().encode(Architecture(BASE.values()))
    with pytest.raises(UsageError, match="unbounded space can't be restricted to stage1/block1/width"):
        space().restrict({"stage1/block1/width": [4]})
    stored = space().to_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["steps"] == 6


def test_stages_are_told_as_graphs():
    first, second = cell_graphs(grown(AddSkip(TWO)), space())
    assert (first.name, first.edges) == ("stage1", ((0, 1, "conv_3x3"),))
    assert second.nodes == ("input", "block1: 4", "block2: 6")
    assert second.edges == (
        (0, 1, "conv_3x3"),
        (0, 1, "skip_connect"),
        (1, 2, "conv_3x3"),
        (1, 2, "conv_5x5"),
    )
    forms = {space().canonical(arch) for arch in space(steps=2).enumerate()}
    assert len(forms) == len(list(space(steps=2).enumerate()))  # widths are told apart too


def test_training_settings_are_searched_jointly():
    rate = Decision("train/learning_rate", (0.1, 0.2, 0.4), ordered=True)
    s, rng = space(settings=(rate,)), np.random.default_rng(4)
    a, b = s.sample(rng), s.sample(rng)
    assert s.crossover(a, b, rng) in s
    assert s.complete({"train/learning_rate": 0.4}, rng)["train/learning_rate"] == 0.4
    mutants = [s.mutate(a, rng) for _ in range(60)]
    changed = [m["train/learning_rate"] != a["train/learning_rate"] for m in mutants]
    assert any(changed)
    assert all((s.structure(m) == s.structure(a)) == c for m, c in zip(mutants, changed, strict=True))
    assert "'train/learning_rate' got 0.3" in s.why_not({**a, "train/learning_rate": 0.3})
    assert s.with_settings([]).to_dict() == s.to_dict()
