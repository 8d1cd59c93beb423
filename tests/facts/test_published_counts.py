"""Figures that others published, and that our networks must have."""

import pytest
import torch

from nasturtium.hardware.meters import count_flops, count_parameters
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.darts import DARTS_V2, darts, from_genotype
from nasturtium.spaces.nasbench201 import from_string, nasbench201


@pytest.mark.parametrize(
    ("classes", "size", "sizes", "parameters"),
    [
        (10, 32, {"channels": 36, "cells": 20}, 3_349_342),
        (1000, 224, {"channels": 48, "cells": 14, "imagenet": 1}, 4_718_752),
    ],
)
def test_darts_v2_has_its_published_parameters(classes, size, sizes, parameters):
    with torch.device("meta"):
        net = darts((3, size, size), classes, **sizes).build(from_genotype(DARTS_V2), seed=0)
    assert count_parameters(net) == parameters


def test_the_darts_search_network_has_its_published_parameters():
    """1.930618 MB is what the authors' search prints for 16 channels and 8 cells."""
    with torch.device("meta"):
        supernet = Supernet(darts((3, 32, 32), 10), Softmax())
    assert sum(weight.numel() for weight in supernet.weights()) == 1_930_618


def test_published_sizes():
    assert darts((3, 32, 32), 10).space.size() == 1_037_664_180**2
    assert nasbench201((3, 32, 32), 10).space.size() == 15_625


# The first cell in alphabetical order of each pair (number of 3×3, number of 1×1 convolutions) in the
# published table of NAS-Bench-Suite-Zero for CIFAR-10, and the last one where a pair has over 300 cells:
# the cell, its parameters and its multiply-adds in millions, to the 8 digits published.
NASBENCH201 = [
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|avg_pool_3x3~2|",
        "0.073306",
        "15.685312",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|nor_conv_1x1~2|",
        "0.101306",
        "18.757312",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|nor_conv_1x1~2|",
        "0.101306",
        "12.306112",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.129306",
        "21.829312",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.129306",
        "16.668352",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.157306",
        "24.901312",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.157306",
        "21.030592",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.185306",
        "27.973312",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.213306",
        "31.045312",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.241306",
        "34.117312",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|avg_pool_3x3~1|nor_conv_3x3~2|",
        "0.316346",
        "50.214592",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|",
        "0.316346",
        "43.763392",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "0.344346",
        "53.286592",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        "0.344346",
        "48.125632",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "0.372346",
        "56.358592",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.372346",
        "52.487872",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "0.400346",
        "59.430592",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.400346",
        "56.850112",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "0.428346",
        "62.502592",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_1x1~1|nor_conv_3x3~2|",
        "0.456346",
        "65.574592",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|avg_pool_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.559386",
        "84.743872",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.559386",
        "79.582912",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.587386",
        "87.815872",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        "0.587386",
        "83.945152",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.615386",
        "90.887872",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_1x1~1|nor_conv_1x1~2|",
        "0.615386",
        "88.307392",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.643386",
        "93.959872",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_1x1~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.671386",
        "97.031872",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|avg_pool_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.802426",
        "119.27315",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.802426",
        "115.40243",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.830426",
        "122.34515",
    ),
    (
        "|skip_connect~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_1x1~2|",
        "0.830426",
        "119.76467",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.858426",
        "125.41715",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_1x1~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "0.886426",
        "128.48915",
    ),
    (
        "|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.045466",
        "153.80243",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.073466",
        "156.87443",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.101466",
        "159.94643",
    ),
    (
        "|avg_pool_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.288506",
        "188.33171",
    ),
    (
        "|nor_conv_1x1~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.316506",
        "191.40371",
    ),
    (
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|",
        "1.531546",
        "222.86099",
    ),
]

POOLING_SLIP = (9 * 9 - 8 * 8) * 64
"""Published multiply-adds exceed ours by 1,088 for every cell, as if the global average pooling of 8×8 pixels
in 64 channels read one row and one column too many."""


def in_millions(count: int) -> str:
    return f"{count / 1e6:.8g}"


@pytest.mark.parametrize(("text", "parameters", "flops"), NASBENCH201)
def test_nasbench201_has_its_published_figures(text, parameters, flops):
    with torch.device("meta"):
        net = nasbench201((3, 32, 32), 10).build(from_string(text), seed=0)
        counted = count_flops(net, torch.empty(1, 3, 32, 32))
    assert in_millions(count_parameters(net)) == parameters
    assert in_millions(counted + POOLING_SLIP) == flops
