import math

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.attention import DotProduct, RelativeDotProduct, local_mask, strided_mask
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice
from nasturtium.modules.derive import derive
from nasturtium.modules.dims import Dim
from nasturtium.modules.elastic.attention import Attention
from nasturtium.modules.elastic.tokens import ElasticPatches, ElasticVectors, Positions, Prefix
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

WIDTH, HEADS = Dim("width", (8, 12)), Dim("layer/heads", (2, 4))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("head_width", [None, 3], ids=["shared", "fixed"])
def test_attention_equals_torch_s_own(head_width):
    net = Attention(WIDTH, HEADS, head_width=head_width)
    x = noise(2, 5, 12)
    for width, heads in ((8, 2), (8, 4), (12, 4)):
        plain = derive(net, Architecture({"width": width, "layer/heads": heads}))
        inside = width if head_width is None else heads * head_width
        theirs = nn.MultiheadAttention(inside, heads, batch_first=True)
        with torch.no_grad():
            q, k, v = (layer(x[..., :width]) for layer in (plain.query, plain.key, plain.value))
            theirs.in_proj_weight.copy_(torch.eye(inside).repeat(3, 1))
            theirs.in_proj_bias.zero_()
            theirs.out_proj.weight.copy_(torch.eye(inside))
            theirs.out_proj.bias.zero_()
            expected = plain.output(theirs(q, k, v, need_weights=False)[0])
            torch.testing.assert_close(plain(x[..., :width]), expected, rtol=1e-5, atol=1e-5)


def test_fewer_heads_are_the_first_rows_of_queries_keys_and_values():
    net = Attention(WIDTH, HEADS, head_width=3)
    plain = derive(net, Architecture({"width": 8, "layer/heads": 2}))
    for name in ("query", "key", "value"):
        assert torch.equal(getattr(plain, name).weight, getattr(net, name).weight[:6, :8])
        assert getattr(net, name).weight.shape == (12, 12)
    assert torch.equal(plain.output.weight, net.output.weight[:8, :6])
    assert not any(isinstance(module, Choice) for module in plain.modules())


@pytest.mark.parametrize("head_width", [None, 3])
def test_a_path_equals_the_derived_attention(head_width):
    supernet = Supernet(Blueprint(lambda: Attention(WIDTH, HEADS, head_width=head_width)))
    for width in (8, 12):
        for heads in (2, 4):
            arch = Architecture({"width": width, "layer/heads": heads})
            supernet.activate(arch)
            x = noise(2, 5, width)
            torch.testing.assert_close(supernet(x), derive(supernet.net, arch)(x))


@pytest.mark.parametrize(
    ("width", "heads", "message"),
    [
        (10, 4, r"width of 10 into 4 heads"),
        (Dim("network/width", (8, 10)), 4, r"width of 10 \('network/width'\) into 4 heads"),
        (12, Dim("layer3/heads", (2, 3, 5)), r"width of 12 into 5 \('layer3/heads'\) heads"),
    ],
)
def test_heads_that_do_not_divide_the_width_are_refused_by_name(width, heads, message):
    with pytest.raises(UsageError, match=message + ".*choose numbers of heads that divide every width"):
        Attention(width, heads)


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_masks_are_what_they_say(size):
    length = 9
    local, strided = local_mask(length, size), strided_mask(length, size)
    for i in range(length):
        for j in range(length):
            near = 0 <= i - j < size
            assert bool(local[i, j]) == near
            assert bool(strided[i, j]) == (near or (i >= j and (i - j) % size == 0))


def test_a_mask_hides_values():
    q, k, v = noise(3, 2, 2, 5, 4).unbind()
    seen = DotProduct(mask=local_mask(5, 1))(q, k, v)
    torch.testing.assert_close(seen, v)
    causal = DotProduct(causal=True)(q, k, v)
    torch.testing.assert_close(causal, DotProduct(mask=local_mask(5, 5))(q, k, v))


def test_a_mask_beside_causal_is_refused():
    with pytest.raises(UsageError, match="a mask and causal=True; let the mask hide later positions"):
        DotProduct(causal=True, mask=local_mask(5, 2))


def test_relative_positions_by_hand():
    """Each pair of positions on its own, on a grid with sides longer and shorter than the reach."""
    height, across, reach, width = 2, 4, 2, 3
    score = RelativeDotProduct((height, across), width, reach=reach)
    q, k, v = noise(3, 1, 1, 1 + height * across, width).unbind()
    places = [None, *((i, j) for i in range(height) for j in range(across))]

    def vector(a, b, rows, columns):
        steps = [0, 0]
        if a is not None and b is not None:
            steps = [max(-reach, min(reach, b[i] - a[i])) + reach + 1 for i in (0, 1)]
        return rows.weight[steps[0]] + columns.weight[steps[1]]

    for i, a in enumerate(places):
        keys = [k[0, 0, j] + vector(a, b, score.key_rows, score.key_columns) for j, b in enumerate(places)]
        weights = torch.stack([q[0, 0, i] @ key / math.sqrt(width) for key in keys]).softmax(0)
        values = [
            v[0, 0, j] + vector(a, b, score.value_rows, score.value_columns) for j, b in enumerate(places)
        ]
        expected = sum(w * value for w, value in zip(weights, values, strict=True))
        torch.testing.assert_close(score(q, k, v)[0, 0, i], expected)


def test_relative_positions_are_saved_by_patch_not_by_pair():
    state = RelativeDotProduct((3, 5), 4, reach=2).state_dict()
    assert {name: tuple(state[name].shape) for name in ("row", "column")} == {"row": (15,), "column": (15,)}
    assert sum(tensor.numel() for tensor in state.values()) == 2 * 15 + 4 * (2 * 2 + 2) * 4


def test_patches_positions_and_prefixes_use_the_first_part():
    arch = Architecture({"width": 8})
    patches = ElasticPatches(3, WIDTH, 2)
    conv = derive(patches, arch)
    assert torch.equal(conv.weight, patches.largest.weight[:8])
    assert conv(noise(2, 3, 5, 4)).shape == (2, 8, 2, 2)
    positions, token = ElasticVectors(Positions, 5, WIDTH), ElasticVectors(Prefix, 1, WIDTH)
    x = noise(2, 4, 8)
    with_token = derive(token, arch)(x)
    assert torch.equal(with_token[:, 1:], x)
    assert torch.equal(with_token[1, 0], token.largest.vectors[0, :8])
    moved = derive(positions, arch)(with_token)
    assert torch.equal(moved, with_token + positions.largest.vectors[:, :8])
