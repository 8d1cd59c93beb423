import pytest
import torch

from nasturtium.modules.blocks.dense import ASPP, resize_as


def test_resizing_keeps_constants_and_channels():
    y = resize_as(torch.full((2, 3, 4, 5), 7.0), torch.empty(1, 9, 7, 11))
    torch.testing.assert_close(y, torch.full((2, 3, 7, 11), 7.0))


@pytest.mark.parametrize(("stride", "rates"), [(4, [24, 48, 72]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_the_pyramid_has_rates_that_fit_its_stride(stride, rates):
    pyramid = ASPP(4, 4, stride)
    assert [branch[0].dilation[0] for branch in pyramid.branches] == [1, *rates]
    assert pyramid(torch.rand(2, 4, 3, 5), torch.rand(2, 1, 6, 9)).shape == (2, 4, 6, 9)
