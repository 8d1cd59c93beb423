"""nasnet and amoebanet: what their cells of two-sided blocks have in common."""

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.ops import FactorizedReduce
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import cell_graphs
from nasturtium.spaces import amoebanet, nasnet
from nasturtium.spaces.base import SPACES, make_space
from nasturtium.spaces.darts import DARTS_V2
from nasturtium.spaces.pair_network import to_genotype

SPACE_OF = {"nasnet": nasnet, "amoebanet": amoebanet}
FOUND = {"nasnet": nasnet.NASNET_A, "amoebanet": amoebanet.AMOEBANET_A}
names = pytest.mark.parametrize("name", SPACE_OF)


@names
def test_genotypes_survive_a_round_trip(name):
    space = make_space(name, (3, 8, 8), 10).space
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = space.sample(rng)
        genotype = to_genotype(arch)
        assert SPACE_OF[name].from_genotype(genotype) == arch
        assert SPACE_OF[name].from_genotype(genotype._asdict()) == arch


@names
def test_the_published_cells_are_points_of_the_space(name):
    blueprint = make_space(name, (3, 16, 16), 10, SPACES.get(name).small)
    arch = SPACE_OF[name].from_genotype(FOUND[name])
    assert arch in blueprint.space
    assert to_genotype(arch) == FOUND[name]
    assert list(blueprint.points.values()) == [arch]
    assert blueprint.notation(arch).startswith("Genotype(normal=[(")
    with torch.no_grad():
        assert blueprint.build(arch, seed=0)(torch.rand(2, 3, 16, 16)).shape == (2, 10)


@names
def test_graphs_show_blocks_and_loose_ends(name):
    blueprint = make_space(name, (3, 16, 16), 10)
    normal, reduce = cell_graphs(SPACE_OF[name].from_genotype(FOUND[name]), blueprint.space)
    assert (normal.name, reduce.name) == ("normal", "reduce")
    assert normal.output == tuple(FOUND[name].normal_concat)
    assert reduce.output == tuple(FOUND[name].reduce_concat)
    assert [(op, source) for source, _, op in normal.edges] == FOUND[name].normal
    assert [target for _, target, _ in normal.edges] == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6]


@names
def test_a_stage_doubles_channels_and_halves_the_image(name):
    arch = SPACE_OF[name].from_genotype(FOUND[name])
    net = make_space(name, (3, 16, 16), 10, {"channels": 4, "repeats": 2}).build(arch, seed=0)
    sizes = []
    for cell in net.cells:
        cell.register_forward_hook(lambda module, inputs, output: sizes.append(tuple(output.shape[1:])))
    net(torch.rand(2, 3, 16, 16))
    normal, reduce = len(FOUND[name].normal_concat), len(FOUND[name].reduce_concat)
    expected = [(normal, 4, 16)] * 2
    expected += [(reduce, 8, 8)] + [(normal, 8, 8)] * 2 + [(reduce, 16, 4)] + [(normal, 16, 4)] * 2
    assert sizes == [(joined * width, size, size) for joined, width, size in expected]
    halving = [i for i, cell in enumerate(net.cells) if isinstance(cell.preprocess0, FactorizedReduce)]
    assert halving == [3, 6]  # the cells after the two reduction cells


@names
def test_the_stem_for_large_images_has_two_reduction_cells_more(name):
    arch = SPACE_OF[name].from_genotype(FOUND[name])
    sizes = {"channels": 8, "repeats": 1, "imagenet_stem": 6}
    net = make_space(name, (3, 64, 64), 10, sizes).build(arch, seed=0)
    assert [cell.output.width for cell in net.cells] == [2, 4, 8, 16, 16, 32, 32]
    assert isinstance(net.cells[0].preprocess0, nn.Identity)
    assert net(torch.rand(2, 3, 64, 64)).shape == (2, 10)


def test_the_released_network_joins_more_states():
    blueprint = nasnet.nasnet((3, 16, 16), 10, channels=4, repeats=1, as_released=1)
    arch = nasnet.from_genotype(nasnet.NASNET_A)
    assert [graph.output for graph in cell_graphs(arch, blueprint.space)] == [
        (0, 2, 3, 4, 5, 6),
        (3, 4, 5, 6),
    ]
    net = blueprint.build(arch, seed=0)
    assert net.classifier.in_features == 6 * 4 * 4
    assert to_genotype(arch) == nasnet.NASNET_A


@pytest.mark.parametrize(
    ("name", "sizes", "prepared"),
    [
        ("enas-micro", {}, True),
        ("nasnet", {}, False),
        ("amoebanet", {}, False),
        ("nasnet", {"imagenet_stem": 6, "channels": 8}, True),
    ],
)
def test_skip_connections_are_identities_where_inputs_are_as_wide_as_blocks(name, sizes, prepared):
    blueprint = make_space(name, (3, 32, 32), 10, {**SPACES.get(name).small, **sizes})
    every = {d.name: d.options[0] for d in blueprint.space.decisions.values()}
    arch = Architecture({n: "skip_connect" if n.endswith("/op") else value for n, value in every.items()})
    normal, reduce = cell_graphs(arch, blueprint.space)
    assert (normal.keeps_size, reduce.keeps_size) == (prepared, False)
    cells = [cell.cell for cell in blueprint.build(arch, seed=0).cells]
    plain = [all(type(side.op) is nn.Identity for b in c.blocks for side in (b.left, b.right)) for c in cells]
    strided = [any(isinstance(m, FactorizedReduce) for m in c.modules()) for c in cells]
    assert all(plain[i] for i in range(len(cells)) if not strided[i]) == prepared
    # blocks 2 and 3 are the sum of both inputs: the same state unless their connections have weights
    values = {
        **arch,
        "normal/2/right/input": 1,
        "normal/3/right/input": 1,
        "normal/4/left/op": "sep_conv_3x3",
    }
    values |= {"normal/4/left/input": 2, "normal/5/left/op": "max_pool_3x3"}
    values |= {"normal/6/left/input": 2, "normal/6/right/input": 3}
    both = (Architecture({**values, "normal/5/left/input": block}) for block in (2, 3))
    assert len(set(map(blueprint.space.canonical, both))) == (1 if prepared else 2)


def changed(cell: str, at: int, pair: object):
    pairs = list(getattr(nasnet.NASNET_A, cell))
    pairs[at] = pair
    return nasnet.NASNET_A._replace(**{cell: pairs})


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (changed("normal", 0, ("sep_conv_9x9", 0)), "'normal/2/left' got operation 'sep_conv_9x9': did you"),
        (changed("normal", 1, ("none", 0)), "'normal/2/right' got operation 'none'"),
        (changed("reduce", 3, ("skip_connect", 3)), "'reduce/3/right' uses state 3; block 3 .* 0 to 2"),
        (changed("reduce", 2, ("skip_connect", 6)), "'reduce/3/left' uses state 6"),
        (changed("reduce", 3, ("skip_connect", -1)), "'reduce/3/right' uses state -1"),
        (changed("normal", 7, ("skip_connect", "2")), "'normal' has .* on the right of block 5; expected"),
        (changed("normal", 7, "skip_connect"), "'normal' has 'skip_connect' on the right of block 5"),
        (
            changed("normal", 9, ("skip_connect", 5)),
            r"'normal' joins \[2, 3, 4, 5, 6\], but .* \[2, 3, 4, 6\]",
        ),
        (nasnet.NASNET_A._replace(reduce_concat=[2, 3, 4, 5, 6]), r"'reduce' joins .* \[4, 5, 6\]"),
        (nasnet.NASNET_A._replace(normal=nasnet.NASNET_A.normal[:9]), "'normal' has 9 pairs; it needs 10"),
        (nasnet.NASNET_A._replace(reduce=5), "'reduce' has 5 pairs"),
        (nasnet.NASNET_A._replace(reduce_concat=5), "'reduce' joins 5; expected a list of states"),
        ({"normal": nasnet.NASNET_A.normal}, "without a 'reduce' cell"),
        (DARTS_V2, "'normal' has 8 pairs; it needs 10"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "expected a genotype"),
        (None, "expected a genotype"),
    ],
)
def test_bad_genotypes_are_refused_with_the_part(genotype, message):
    with pytest.raises(UsageError, match=message):
        nasnet.from_genotype(genotype)


def test_what_is_joined_may_be_left_out():
    cells = {cell: getattr(nasnet.NASNET_A, cell) for cell in ("normal", "reduce")}
    assert nasnet.from_genotype(cells) == nasnet.from_genotype(nasnet.NASNET_A)


def test_operations_of_the_other_space_are_refused():
    with pytest.raises(UsageError, match="'normal/2/left' got operation 'max_pool_7x7'"):
        amoebanet.from_genotype(changed("normal", 0, ("max_pool_7x7", 0)))


@names
@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 7, 8), {}, "needs images of at least 8×8 pixels, got 7×8"),
        ((3, 31, 64), {"imagenet_stem": 8}, "needs images of at least 32×32 pixels, got 31×64"),
        ((3, 8, 8), {"repeats": 0}, "'repeats' must be at least 1, got 0"),
        ((3, 64, 64), {"imagenet_stem": 8, "channels": 7}, "'channels' .*at least 8.*imagenet_stem.* got 7"),
    ],
)
def test_networks_that_cannot_be_are_refused(name, shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space(name, shape, 10, sizes)
