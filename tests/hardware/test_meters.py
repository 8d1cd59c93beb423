import pytest
import torch
from torch import nn

from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.modules.blocks.attention import DotProduct, RelativeDotProduct, local_mask
from nasturtium.modules.elastic.attention import Attention
from nasturtium.modules.elastic.causal_conv import CausalDepthwise


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8·5·5 outputs of 27 inputs each
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),  # 9 each
        nn.BatchNorm2d(8, affine=False),
        nn.AvgPool2d(3, 1, padding=1),
        nn.MaxPool2d((1, 5), 1),  # 8·5·1 outputs of 5 inputs each
        nn.AdaptiveAvgPool2d(1),  # reads 8·5·1
        nn.Flatten(),
        nn.Linear(8, 4),
    )


def test_multiply_adds_by_hand():
    at = 8 * 5 * 5
    expected = at * 27 + 2 * at + at + at * 9 + at + at * 9 + 40 * 5 + 40 + 8 * 4
    assert count_flops(small(), torch.randn(1, 3, 9, 9)) == expected
    assert count_flops(small(), torch.randn(5, 3, 9, 9)) == expected


@pytest.mark.parametrize(
    ("score", "products"),
    [
        (DotProduct(), 2),
        (DotProduct(causal=True), 2),
        (DotProduct(mask=local_mask(6, 2)), 2),
        (
            RelativeDotProduct((1, 5), 4),
            4,
        ),  # queries with keys and distances, weights with values and distances
    ],
)
def test_attention_counts_its_products_whole(score, products):
    net = Attention(8, 3, head_width=4, score=score)
    projections = 6 * 8 * (3 * 12) + 6 * 12 * 8
    assert count_flops(net, torch.randn(2, 6, 8)) == projections + products * 3 * 6 * 6 * 4
    assert torch.backends.mha.get_fastpath_enabled()


def test_torch_s_own_attention_counts_as_much():
    net = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.randn(2, 6, 8)
    assert count_flops(net, x, x, x) == 4 * 6 * 8 * 8 + 2 * 6 * 6 * 8


@pytest.mark.parametrize(
    ("net", "shape", "expected"),
    [
        (nn.Conv1d(6, 4, 3), (6, 9), 4 * 7 * 6 * 3),
        (CausalDepthwise(6, 3), (9, 6), 6 * 9 * 3),
        (nn.ConvTranspose2d(2, 3, 2, 2), (2, 4, 5), 2 * 4 * 5 * 3 * 2 * 2),
        (nn.GRU(8, 5, batch_first=True), (7, 8), 7 * 3 * (8 * 5 + 5 * 5)),
        (nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.Softmax(-1)), (7, 8), 0),
    ],
)
def test_products_of_other_layers_by_hand(net, shape, expected):
    assert count_flops(net, torch.randn(3, *shape)) == expected


def test_counting_leaves_the_network_as_it_was():
    net = small().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    count_flops(net, torch.randn(2, 3, 9, 9))
    assert net.training
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_layers_used_twice_count_twice_but_hold_their_parameters_once():
    layer = nn.Linear(4, 4, bias=False)
    twice = nn.Sequential(layer, nn.Identity(), layer)
    assert count_flops(twice, torch.randn(1, 4)) == 32
    assert count_parameters(twice) == 16


def test_frozen_parameters_do_not_count():
    net = small()
    assert count_parameters(net) == (3 * 8 * 9 + 8) + 16 + 72 + (8 * 4 + 4)
    net[0].requires_grad_(False)
    assert count_parameters(net) == 16 + 72 + 36
