import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_parameters
from nasturtium.modules.derive import derive
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.base import make_space
from nasturtium.spaces.vit_cnn_hybrid import BOSSNET_T0, STRIDES, from_encoding, to_encoding, vit_cnn_hybrid
from trained_norms import as_trained

IMAGES = (3, 224, 224)


def small(layers=4, shape=(3, 37, 40)):
    return vit_cnn_hybrid(shape, 5, channels=4, layers=layers)


def shaken(net: nn.Module) -> nn.Module:
    """With BatchNorms as training leaves them; at first they hide what is beside a shortcut."""
    as_trained(net)
    return net.eval()


def test_the_authors_network_is_a_point():
    arch = from_encoding(BOSSNET_T0)
    blueprint = vit_cnn_hybrid(IMAGES, 1000)
    assert blueprint.points == {"BossNet-T0": arch}
    assert small(layers=8).points == {}
    assert arch in blueprint.space
    assert blueprint.notation(arch) == str(BOSSNET_T0)
    with torch.device("meta"):
        net = blueprint.build(arch, seed=0)
        seen = []
        for layer in net.layers:
            layer.register_forward_hook(lambda module, inputs, output: seen.append(tuple(output.shape[1:])))
        assert net(torch.empty(2, *IMAGES)).shape == (2, 1000)
    shapes = [(256, 56, 56), (512, 28, 28), *[(1024, 14, 14)] * 5, *[(2048, 7, 7)] * 9]
    assert seen == shapes
    heads = [module.heads for module in net.modules() if hasattr(module, "heads")]
    assert heads == [4] + [8] * 8


@pytest.mark.parametrize("layers", [4, 8, 16])
def test_encodings_survive_a_round_trip(layers):
    space = small(layers).space
    rng = np.random.default_rng(0)
    for _ in range(30):
        arch = space.sample(rng)
        assert from_encoding(to_encoding(arch)) == arch
        assert sum(map(len, to_encoding(arch))) == layers


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (None, "expected four lists .*got None"),
        ([[1], [1], [1]], "expected four lists"),
        ([[1], [1], [1], 1], "expected four lists"),
        ("|none~0|", "expected four lists"),
        ([[1], [], [1], [1, 1]], "stage 2 has no layers"),
        ([[1], [1], [], [1, 1]], "stage 3 has no layers"),
        ([[1], [1], [1, 2], [1]], "layer 2 of stage 3 is 2; expected 0"),
        ([[1], [1], [True], [1]], "layer 1 of stage 3 is True; expected 0"),
        ([[1], [1], [1.0], [1]], r"layer 1 of stage 3 is 1\.0; expected 0"),
        ([[1], [1, 0], [1], [1]], "layer 2 of stage 2 is attention; .*stages 3 and 4 only"),
    ],
)
def test_bad_encodings_are_refused_with_the_layer(encoding, message):
    with pytest.raises(UsageError, match=message):
        from_encoding(encoding)


@pytest.mark.parametrize(
    ("encoding", "inside"),
    [
        ([[1] * 4, [1] * 4, [0] * 4, [0] * 4], True),
        ([[1], [1], [1], [0] * 13], True),
        ([[], [1], [1] * 14, []], False),  # 15 layers
        ([[], [1], [1] * 15, []], True),
        ([[1] * 5, [1] * 3, [0] * 4, [0] * 4], False),  # the second quarter starts at stride 4
        ([[1] * 2, [1] * 7, [0] * 4, [0] * 3], False),  # the third quarter starts at stride 8
    ],
)
def test_strides_are_limited_by_quarter(encoding, inside):
    assert (from_encoding(encoding) in small(16).space) is inside


def test_the_size_is_that_of_all_paths():
    """Counted without the space: walk over strides, two blocks where attention is offered."""

    def paths(i: int, before: int, layers: int) -> int:
        if i == layers:
            return 1
        least = (4, 8, 16, 16)[4 * i // layers]
        nexts = [s for s in (before, 2 * before) if least <= s <= 32]
        return sum((2 if s >= 16 else 1) * paths(i + 1, s, layers) for s in nexts)

    for layers in (4, 8, 16):
        assert small(layers).space.size() == paths(0, 4, layers)


def test_every_path_equals_its_derived_network():
    """On sizes that halving does not divide, with and without strides missing at the end."""
    supernet = Supernet(small(), seed=0)
    shaken(supernet)
    x = torch.randn(2, 3, 37, 40)
    lasts = set()
    for arch in small().space.enumerate():
        supernet.activate(arch)
        plain = derive(supernet.net, arch)
        lasts.add(arch["layer4/stride"])
        with torch.no_grad():
            torch.testing.assert_close(plain(x), supernet(x), rtol=1e-5, atol=1e-5)
    assert lasts == set(STRIDES[2:])


def test_attention_sees_the_whole_image_and_convolutions_their_surroundings():
    for block, far in ((0, True), (1, False)):
        net = shaken(small(4, (3, 256, 256)).build(from_encoding([[1], [1], [block, block], []]), seed=0))
        layer = net.layers[3]
        x = torch.randn(1, 64, 16, 16)
        moved = x.clone()
        moved[..., 0, 0] += 1
        with torch.no_grad():
            changed = (layer(moved) - layer(x)).abs().amax((0, 1)) > 1e-7
        assert bool(changed[10, 10]) is far


def test_a_layer_starts_as_its_shortcut():
    net = small().build(from_encoding([[1], [1], [0, 0], []]), seed=0).eval()
    x = torch.rand(2, 64, 3, 3)
    assert torch.equal(net.layers[3](x), x)


def test_attention_is_lighter_than_convolution():
    counts = []
    for block in (1, 0):
        with torch.device("meta"):
            net = vit_cnn_hybrid(IMAGES, 10).build(from_encoding([[1], [1], [1] * 2, [block] * 12]), seed=0)
        counts.append(count_parameters(net))
    assert counts[0] - counts[1] == 12 * (9 - 3) * 512**2


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((3, 32, 31), {}, "'vit-cnn-hybrid' needs images of at least 32×32 pixels, got 32×31"),
        ((3, 32, 32), {"layers": 6}, "'vit-cnn-hybrid': 'layers' must be a multiple of 4, got 6"),
    ],
)
def test_networks_that_cannot_be_are_refused(shape, sizes, message):
    with pytest.raises(UsageError, match=message):
        make_space("vit-cnn-hybrid", shape, 5, sizes)
