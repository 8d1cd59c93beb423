import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.growth.from_sequential import from_sequential
from nasturtium.modules.growth.growing_network import grow
from nasturtium.space.moves import AddSkip, Widen
from nasturtium.space.structure import Block, Place, Structure
from trained_norms import as_trained


def vgg() -> list[nn.Module]:
    return [
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4, eps=1e-3),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Conv2d(4, 6, 5, padding="same"), nn.ReLU()),
        nn.Conv2d(6, 6, 1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(3, 2, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 5),
    ]


def test_a_plain_network_computes_the_same_and_grows():
    net = nn.Sequential(*vgg()).eval()
    as_trained(net)
    found = from_sequential(net)
    x = torch.randn(2, 3, 12, 10)
    assert found.structure() == Structure(((Block(4),), (Block(6, (5,)), Block(6, (1,)))))
    torch.testing.assert_close(found(x), net(x), rtol=0, atol=1e-6)
    larger, _ = grow(grow(found, AddSkip(Place(2, 2)))[0], Widen(Place(2, 1), 9))
    torch.testing.assert_close(larger(x), net(x), rtol=0, atol=1e-5)
    assert not larger.training


@pytest.mark.parametrize(
    ("at", "layer", "message"),
    [
        (0, nn.Conv2d(3, 4, 3, 2, 1), "layer '0' is Conv2d.*stride, dilation and groups must be 1"),
        (0, nn.Conv2d(3, 4, 4, padding=1), "layer '0'.*kernel must be square and odd"),
        (0, nn.Conv2d(3, 4, 3), "layer '0'.*keep the size of the image: 1 zeros of padding for kernel 3"),
        (0, nn.Linear(3, 4), "layer '0' is Linear.*expected Conv2d; a network can grow if"),
        (1, nn.BatchNorm2d(4, affine=False), "layer '1' is BatchNorm2d.*no scale"),
        (2, nn.GELU(), "layer '2' is GELU.*expected ReLU"),
        (4, nn.Sequential(nn.Conv2d(4, 6, 1), nn.Tanh()), "layer '4.1' is Tanh.*expected ReLU"),
        (8, nn.Dropout(), "layer '8' is Dropout.*expected AdaptiveAvgPool2d"),
        (9, nn.AdaptiveAvgPool2d(2), "layer '9' is AdaptiveAvgPool2d.*more than one pixel"),
        (11, nn.Sequential(), "ends too early, expected Linear"),
        (11, nn.Sequential(nn.Linear(6, 5), nn.Softmax(1)), "layer '11.1' is Softmax.*expected the end"),
    ],
)
def test_layers_that_do_not_fit_are_named(at, layer, message):
    layers = vgg()
    layers[at] = layer
    with pytest.raises(UsageError, match=message):
        from_sequential(nn.Sequential(*layers))
