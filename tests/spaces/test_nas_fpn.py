import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.export.archive import save_archive
from nasturtium.export.source.write import write_network_source
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.merging import MergingCells, merges_of
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces.base import make_space
from nasturtium.spaces.darts import darts
from nasturtium.spaces.nas_fpn import FREE, LEVELS, NAS_FPN, from_blocks, graph, nas_fpn, over, to_blocks
from nasturtium.spaces.nasbench201 import nasbench201
from nasturtium.spaces.proxylessnas import MOBILE

SHAPE = (3, 32, 32)


def small(shape=SHAPE):
    return over(nasbench201(shape, 5, channels=4, cells=1), shape, 5, channels=4, stacks=2)


def test_blocks_survive_a_round_trip():
    space, rng = (
        nas_fpn(SHAPE, 5, channels=4, stacks=1, width=10, fixed_backbone=1).space,
        np.random.default_rng(0),
    )
    for _ in range(50):
        arch = space.sample(rng)
        assert from_blocks(to_blocks(arch)) == arch


def test_the_published_pyramid_reads_as_published():
    arch = from_blocks(NAS_FPN)
    assert to_blocks(arch) == NAS_FPN
    assert arch["fpn/order"] == "3-4-5-7-6"
    assert arch["fpn/cell1/level"] == 4
    assert arch["fpn/cell6/inputs"] == (6, 9)
    assert Architecture({**arch, **MOBILE}) in nas_fpn(SHAPE, 5).space
    assert arch in nas_fpn(SHAPE, 5, fixed_backbone=1).space


def changed(at, block):
    return [*NAS_FPN[:at], block, *NAS_FPN[at + 1 :]]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            changed(1, (4, "sum", (1, 6), False)),
            "merging cell 2 uses feature 6; it can only use features 0 to 5",
        ),
        (changed(6, (6, "sum", (-1, 10), True)), "merging cell 7 uses feature -1; .* 0 to 10"),
        (changed(0, (4, "sum", (3, 3), False)), "merging cell 1 merges features 3 and 3; give two"),
        (changed(0, (4, "sum", (3, 1), False)), "merging cell 1 merges features 3 and 1; .*earlier first"),
        (changed(0, (4, "sum", ("1", 3), False)), "merging cell 1 merges .'1', 3.; expected the numbers"),
        (changed(0, (4, "summ", (1, 3), False)), "merging cell 1 merges by 'summ': did you mean 'sum'"),
        (changed(0, (8, "sum", (1, 3), False)), "merging cell 1 has level 8; levels are 3, 4, 5, 6, 7"),
        (
            changed(2, (4, "sum", (0, 6), True)),
            "cells 3 to 7, have levels 4, 4, 5, 7, 6; they need each of 3, 4",
        ),
        (changed(1, (4, "sum", (1, 5), True)), "merging cell 2 is no output; got True"),
        (changed(2, (3, "sum", (0, 6), False)), "merging cell 3 is an output; got False"),
        (changed(3, (4, "sum", 6, True)), r"merging cell 4 reads \(4, 'sum', 6, True\); expected \(level"),
        (changed(3, "sum"), "merging cell 4 reads 'sum'"),
        (NAS_FPN[:6], "expected 7 merging cells .*, got 6"),
        ("|none~0|", "expected 7 merging cells"),
        (None, "expected 7 merging cells .*, got None"),
    ],
)
def test_bad_blocks_are_refused_with_the_cell(blocks, message):
    with pytest.raises(UsageError, match=message):
        from_blocks(blocks)


def test_small_images_are_refused_with_the_least():
    with pytest.raises(UsageError, match="'nas-fpn' needs images of at least 32×32 pixels, got 32×20"):
        make_space("nas-fpn", (3, 32, 20), 5)


def test_backbone_and_pyramid_are_searched_jointly_or_the_backbone_is_fixed():
    free, fixed = nas_fpn(SHAPE, 5, width=10), nas_fpn(SHAPE, 5, width=10, fixed_backbone=1)
    backbone = set(free.space.decisions) - set(fixed.space.decisions)
    assert backbone == set(MOBILE)
    assert all(name.startswith("fpn/") for name in fixed.space.decisions)


@pytest.mark.parametrize(
    "backbone", [darts((3, 33, 39), 5, channels=4, cells=3), nasbench201((3, 33, 39), 5, channels=4, cells=1)]
)
def test_any_backbone_carries_the_pyramid(backbone):
    shape = (3, 33, 39)
    blueprint = over(backbone, shape, 5, channels=4, stacks=1)
    assert blueprint.space.size() == backbone.space.size() * 3_017_710_080_000_000
    supernet, x = Supernet(blueprint, seed=0).eval(), torch.rand(2, *shape)
    for seed in range(2):
        arch = blueprint.space.sample(np.random.default_rng(seed))
        supernet.activate(arch)
        with torch.no_grad():
            assert supernet(x).shape == (2, 5, 33, 39)
            torch.testing.assert_close(derive(supernet.net, arch)(x), supernet(x))


def test_a_fixed_backbone_is_plain_and_exports(tmp_path):
    backbone, shape = darts((3, 33, 35), 5, channels=4, cells=3), (3, 33, 35)
    fixed = backbone.space.sample(np.random.default_rng(1))
    blueprint = over(backbone, shape, 5, channels=4, stacks=2, fixed=fixed)
    arch = from_blocks(NAS_FPN)
    assert blueprint.notation(arch) == str(NAS_FPN)
    net = blueprint.build(arch, seed=0).eval()
    save_archive(tmp_path, net, dict(arch))
    write_network_source(net, (torch.rand(2, *shape),), tmp_path / "network.py", title="A network", notes={})
    assert Supernet(blueprint).space.size() == 3_017_710_080_000_000


def test_pyramids_share_their_structure_but_not_their_weights():
    blueprint = small()
    net = blueprint.build(blueprint.space.sample(np.random.default_rng(0)), seed=0)
    first, second = net.pyramids
    assert first.merges == second.merges
    assert not torch.equal(first.convs[0][1].weight, second.convs[0][1].weight)


def test_levels_halve():
    net = small().build(small().space.sample(np.random.default_rng(0)), seed=0).eval()
    sizes = [tuple(x.shape[2:]) for x in net.bottom(torch.rand(1, 3, 37, 50))]
    assert sizes == [(37, 50), (19, 25), (10, 13), (5, 7), (3, 4)]


def test_a_backbone_with_the_pyramids_names_is_refused():
    blueprint = small()
    with pytest.raises(UsageError, match="backbone and pyramid both decide 'fpn/cell1/inputs'"):
        over(Blueprint(blueprint.make), SHAPE, 5)


def test_notation_tells_the_backbone_too():
    arch = Architecture(
        {**from_blocks(NAS_FPN), **{f"cell/{i}<-{j}": "none" for i in (1, 2, 3) for j in range(i)}}
    )
    assert arch in small().space
    assert (
        small()
        .notation(arch)
        .startswith("|none~0|+|none~0|none~1|+|none~0|none~1|none~2| + [(4, 'attention'")
    )


def test_graphs_show_the_backbones_cells_and_the_pyramid():
    blueprint = small()
    arch = blueprint.space.sample(np.random.default_rng(0))
    assert [g.name for g in cell_graphs(arch, blueprint.space)] == ["cell", "fpn"]
    found = graph(from_blocks(NAS_FPN))
    assert found.nodes == ("P3", "P4", "P5", "P6", "P7", "1", "2", "3", "4", "5", "6", "7")
    assert found.ops[5:7] == ("attention → P4", "sum → P4")
    # cell 5 adds P5, unused otherwise
    assert {(7, 9, "weighed"), (8, 9, "weighs"), (2, 9, "")} <= set(found.edges)
    assert found.output == (7, 8, 9, 10, 11)


def test_canonical_forms_tell_which_of_two_features_weighs_the_other():
    space = nas_fpn(SHAPE, 5, channels=4, stacks=1, width=10, fixed_backbone=1).space

    def form(*free):
        return space.canonical(from_blocks([*free, (3, "attention", (5, 6), True), *NAS_FPN[3:]]))

    one, other = (4, "sum", (0, 1), False), (4, "attention", (1, 2), False)
    assert form(one, other) != form(other, one)


def test_canonical_forms_tell_what_weighs_from_what_is_only_added():
    """The output P4 has the same three features in both, but another of them weighs P3."""
    space = nas_fpn(SHAPE, 5, channels=4, stacks=1, width=10, fixed_backbone=1).space
    forms, nets, x = set(), [], [torch.rand(1, 4, 32 >> i, 32 >> i) for i in range(5)]
    for coarse, unused in ((1, 5), (5, 1)):
        blocks = [
            (4, "sum", (2, 3), False),
            (3, "sum", (0, 2), False),
            (4, "attention", (0, coarse), True),
            (5, "sum", (2, 3), True),
            (6, "sum", (3, 4), True),
            (7, "sum", (3, 4), True),
            (3, "sum", (0, 6), True),
        ]
        arch = from_blocks(blocks)
        assert merges_of(arch, "fpn", LEVELS, FREE)[2].unused == (unused,)
        forms.add(space.canonical(arch))
        torch.manual_seed(0)
        nets.append(derive(MergingCells("fpn", 4, LEVELS, free=FREE), arch).eval())
    assert len(forms) == 2
    assert not torch.allclose(nets[0](x)[1], nets[1](x)[1])


def test_the_published_pyramid_is_a_point_over_every_point_of_the_backbone():
    fixed = nas_fpn(SHAPE, 5, channels=4, stacks=1, width=10, fixed_backbone=1)
    assert fixed.points == {"NAS-FPN": from_blocks(NAS_FPN)}
    backbone = darts(SHAPE, 5, channels=4, cells=3)
    joint = over(backbone, SHAPE, 5, channels=4, stacks=1)
    assert joint.points == {
        "NAS-FPN over DARTS_V2": Architecture({**backbone.points["DARTS_V2"], **from_blocks(NAS_FPN)})
    }
    assert joint.points["NAS-FPN over DARTS_V2"] in joint.space


def test_a_backbone_whose_channels_are_decisions_must_be_fixed():
    backbone = make_space("nasnet", SHAPE, 5, {"channels": 4, "repeats": 1})
    with pytest.raises(UsageError, match="channels of its features are decisions.*fix the backbone"):
        over(backbone, SHAPE, 5)
    fixed = backbone.space.sample(np.random.default_rng(0))
    net = (
        over(backbone, SHAPE, 5, channels=4, stacks=1, fixed=fixed).build(from_blocks(NAS_FPN), seed=0).eval()
    )
    assert net(torch.rand(1, *SHAPE)).shape == (1, 5, 32, 32)
