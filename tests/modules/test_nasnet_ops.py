import pytest
import torch
from torch import nn

from nasturtium.modules.nasnet_ops import PAIR_OPS
from nasturtium.modules.ops import OPS


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("in_", "out"), [(4, 4), (6, 4), (3, 5)])
@pytest.mark.parametrize("name", PAIR_OPS)
def test_sizes_are_as_asked_for(name, in_, out, stride):
    for height, width in ((8, 8), (9, 7), (1, 2)):
        y = PAIR_OPS[name](in_, out, stride)(torch.rand(2, in_, height, width))
        assert y.shape == (2, out, -(-height // stride), -(-width // stride))


@pytest.mark.parametrize("name", PAIR_OPS)
def test_operations_of_one_width_are_those_of_other_cells(name):
    def layers(net: nn.Module) -> list[str]:
        return [str(part) for part in net.modules() if not list(part.children())]

    assert layers(PAIR_OPS[name](4, 4, 2)) == layers(OPS.get(name)(4, 2))


def test_factorised_convolutions_go_along_rows_then_columns():
    convs = [m for m in PAIR_OPS["conv_7x1_1x7"](4, 6, 2) if isinstance(m, nn.Conv2d)]
    assert [conv.kernel_size for conv in convs] == [(1, 7), (7, 1)]
    assert [conv.stride for conv in convs] == [(1, 2), (2, 1)]


def test_padding_does_not_count_in_average_pooling():
    ones = torch.ones(1, 2, 4, 4)
    assert torch.equal(PAIR_OPS["avg_pool_3x3"](2, 2, 1)(ones), ones)


def test_pooling_and_skipping_of_one_width_have_no_weights():
    for name in ("skip_connect", "avg_pool_3x3", "max_pool_3x3", "max_pool_5x5", "max_pool_7x7"):
        assert not list(PAIR_OPS[name](4, 4, 1).parameters())
