import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.auto_deeplab import (
    AUTO_DEEPLAB,
    PRIMITIVES,
    auto_deeplab,
    from_genotype,
    graphs,
    to_genotype,
)
from nasturtium.spaces.base import make_space

TINY = {"channels": 2, "stem": 4, "head": 4}


def tiny(layers=3, shape=(3, 32, 32)):
    return auto_deeplab(shape, 5, layers=layers, **TINY)


def test_genotypes_survive_a_round_trip():
    space, rng = tiny(layers=4).space, np.random.default_rng(0)
    for _ in range(30):
        arch = space.sample(rng)
        assert from_genotype(to_genotype(arch)) == arch
        assert from_genotype(to_genotype(arch)._asdict()) == arch


def test_the_published_architecture_reads_as_published():
    arch = from_genotype(AUTO_DEEPLAB)
    assert tiny(layers=12).points == {"Auto-DeepLab": arch}
    assert tiny(layers=11).points == {}
    assert arch["path/3/4"] == 8
    assert arch["cell/6/inputs"] == (3, 5)
    assert arch["cell/6<-5"] == "atrous_conv_5x5"
    assert to_genotype(arch).path == AUTO_DEEPLAB.path
    pairs = to_genotype(arch).cell
    for at in range(0, 10, 2):
        assert set(pairs[at : at + 2]) == set(AUTO_DEEPLAB.cell[at : at + 2])


def test_notation_is_the_genotype():
    text = tiny().notation(from_genotype(AUTO_DEEPLAB))
    assert text.startswith("Genotype(path=[0, 0, 0, 1, 2, 1, 2, 2, 3, 3, 2, 1], cell=[('atrous_conv_5x5', 0)")


def path(*levels):
    return AUTO_DEEPLAB._replace(path=list(levels))


def edge(at, value):
    cell = list(AUTO_DEEPLAB.cell)
    cell[at] = value
    return AUTO_DEEPLAB._replace(cell=cell)


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (path(0, 2), "layer 2 jumps from stride 4 to 16"),
        (path(2), "layer 1 jumps from stride 4 to 16.*the stem has level 0"),
        (path(0, 1, 2, 3, 1), "layer 5 jumps from stride 32 to 8"),
        (path(0, 1, 2, 3, 4), "layer 5 has level 4, outside of the trellis; levels 0 to 3 .* 4, 8, 16, 32"),
        (path(0, -1), "layer 2 has level -1, outside of the trellis"),
        (path(0, True), "layer 2 has level True"),
        (path(), "path has no layers"),
        (AUTO_DEEPLAB._replace(path=3), "needs a list 'path', got 3"),
        ({"path": [0]}, "needs a list 'cell', got None"),
        (AUTO_DEEPLAB._replace(cell=AUTO_DEEPLAB.cell[:9]), "cell has 9 edges; it needs 10"),
        (edge(0, ("sep_conv_7x7", 0)), "'cell/2<-0' got 'sep_conv_7x7': did you mean 'sep_conv_"),
        (edge(1, ("none", 1)), "'cell/2<-1' got 'none'"),
        (edge(0, ("skip_connect", 2)), "'cell/2<-2': block 2 can only use states 0 to 1"),
        (edge(0, ("skip_connect", -1)), "'cell/2<--1': block 2 can only use states 0 to 1"),
        (edge(0, ("skip_connect", 1)), "block 2 of the cell uses state 1 twice"),
        (edge(4, ("skip_connect", "1")), "'1'.* at block 4; expected"),
        (None, "expected a genotype with path and cell, got None"),
        ("path", "expected a genotype"),
    ],
)
def test_bad_genotypes_are_refused_with_the_part(genotype, message):
    with pytest.raises(UsageError, match=message):
        from_genotype(genotype)


def test_a_genotype_of_another_depth_is_refused_by_the_space():
    assert "path/3/4" in tiny(layers=3).space.why_not(from_genotype(AUTO_DEEPLAB))


def test_a_path_off_the_trellis_is_no_architecture():
    space = tiny(layers=2).space
    arch = {**from_genotype(path(1, 1)), "path/0/4": 16}
    assert "decision 'path/0/4' got 16; allowed: 4, 8" in space.why_not(arch)


def test_small_images_are_refused_with_the_least():
    with pytest.raises(UsageError, match="'auto-deeplab' needs images of at least 32×32 pixels, got 31×64"):
        make_space("auto-deeplab", (3, 31, 64), 5)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 47)])
def test_layers_lie_at_their_strides_and_scores_at_the_images_size(shape):
    levels = [1, 2, 3, 2, 1]
    net = tiny(len(levels), shape).build(from_genotype(path(*levels)), seed=0).eval()
    sizes = []
    for layer in net.path.layers:
        layer.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[1:])))
    assert net(torch.rand(2, *shape)).shape == (2, 5, *shape[1:])
    expected = []
    for level in levels:
        stride = 4 * 2**level
        expected.append((5 * 2 * 2**level, -(-shape[1] // stride), -(-shape[2] // stride)))
    assert sizes == expected


def test_the_network_takes_images_of_other_sizes():
    net = tiny().build(from_genotype(path(0, 1, 2)), seed=0).eval()
    assert net(torch.rand(1, 3, 40, 53)).shape == (1, 5, 40, 53)


def test_the_decoder_sees_the_last_features_before_stride_4_is_left():
    assert tiny(3).build(from_genotype(path(0, 0, 1)), seed=0).path.tap == 2
    assert tiny(3).build(from_genotype(path(1, 0, 0)), seed=0).path.tap == 0
    assert tiny(3).build(from_genotype(path(0, 0, 0)), seed=0).path.tap == 3


def test_a_mixture_adds_the_zero_operation_and_weighs_the_ways_of_the_path():
    supernet = Supernet(tiny(layers=2), Softmax(), seed=0)
    assert len(supernet.alphas["cell/3<-1"]) == 8
    assert len(supernet.alphas["path/1/8"]) == 3
    supernet.train()(torch.rand(2, 3, 32, 32)).square().mean().backward()
    for name, alpha in supernet.alphas.items():
        assert alpha.grad.abs().sum() > 0, name


def test_graphs_show_the_cell_and_the_path():
    cell, route = graphs(from_genotype(AUTO_DEEPLAB))
    assert (cell.name, cell.inputs, len(cell.nodes), cell.output) == ("cell", 2, 7, (2, 3, 4, 5, 6))
    assert (5, 6, "atrous_conv_5x5") in cell.edges
    assert {op for _, _, op in cell.edges} <= set(PRIMITIVES)
    assert route.name == "path"
    assert route.nodes[:5] == ("stem", "1: 1/4", "2: 1/4", "3: 1/4", "4: 1/8")
    assert route.edges[3:6] == ((3, 4, "halve"), (4, 5, "halve"), (5, 6, "double"))
    assert route.edges[0] == (0, 1, "")
    assert route.ops == ("", *["cell"] * 12)
    assert route.output == (12,)


def test_no_two_paths_have_one_canonical_form():
    space = tiny(layers=3).space
    cell = {name: value for name, value in from_genotype(AUTO_DEEPLAB).items() if name.startswith("cell/")}
    levels = [
        (a, b, c) for a in (0, 1) for b in (0, 1, 2) for c in range(4) if abs(a - b) < 2 and abs(b - c) < 2
    ]
    forms = {space.canonical(Architecture({**from_genotype(path(*p)), **cell})) for p in levels}
    assert len(forms) == len(levels) == 13
