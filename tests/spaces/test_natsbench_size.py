import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.spaces.natsbench_size import from_string, natsbench_size, to_string


def test_strings_survive_a_round_trip():
    blueprint = natsbench_size((3, 8, 8), 10)
    rng = np.random.default_rng(0)
    for _ in range(20):
        arch = blueprint.space.sample(rng)
        assert from_string(blueprint.notation(arch)) == arch
    arch = from_string(" 8:16:24:32:40\n")
    assert arch in blueprint.space
    assert arch["layer1/channels"] == 8
    assert arch["layer5/channels"] == 40
    assert to_string(arch) == "8:16:24:32:40"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:16:24:32", "has 4 widths; NATS-Bench has 5"),
        ("8:16:24:32:40:48", "has 6 widths"),
        ("8:16:24:32:72", "'layer5/channels' got '72'.*allowed: 8, 16, "),
        ("0:16:24:32:40", "'layer1/channels' got '0'"),
        ("8:12:24:32:40", "'layer2/channels' got '12'"),
        ("8:16:x:32:40", "'layer3/channels' got 'x'"),
        ("8:16::32:40", "'layer3/channels' got ''"),
        ("8:16:-8:32:40", "'layer3/channels' got '-8'"),
        ("08:16:24:32:40", "'layer1/channels' got '08'"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "has 1 widths"),
        ("64-41414-0_00_000", "has 1 widths"),
        ([8, 16, 24, 32, 40], r"expected text such as 8:16:24:32:40, got \[8"),
        (None, "expected text"),
    ],
)
def test_bad_strings_are_refused_with_the_part(text, message):
    with pytest.raises(UsageError, match=message):
        from_string(text)


def test_a_skip_connection_is_a_convolution_only_where_the_width_changes():
    net = natsbench_size((3, 8, 8), 10).build(from_string("8:16:16:24:40"), seed=0)
    kinds = [type(cell.nodes[2][0]) for cell in net if hasattr(cell, "nodes")]
    assert kinds == [nn.Identity, nn.Identity, nn.Sequential]


def test_widths_and_images_change_where_they_should():
    net = natsbench_size((3, 16, 16), 10).build(from_string("8:16:24:32:40"), seed=0).eval()
    x, shapes = torch.rand(2, 3, 16, 16), []
    for part in net:
        x = part(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes[2:7] == [(8, 16, 16), (16, 8, 8), (24, 8, 8), (32, 4, 4), (40, 4, 4)]
