import numpy as np
import pytest
import torch

from nasturtium.core.errors import UsageError
from nasturtium.spaces.base import make_space
from nasturtium.spaces.enas_macro import ENAS_MACRO
from nasturtium.spaces.enas_micro import ENAS_MICRO, enas_micro, from_numbers, to_numbers
from nasturtium.spaces.nasnet import NASNET_A

NUMBERS = [int(part) for part in ENAS_MICRO.split()]


def test_numbers_survive_a_round_trip():
    blueprint = enas_micro((3, 8, 8), 10)
    rng = np.random.default_rng(0)
    for _ in range(50):
        arch = blueprint.space.sample(rng)
        assert from_numbers(to_numbers(arch)) == arch
        assert from_numbers(blueprint.notation(arch)) == arch
        assert from_numbers(str(to_numbers(arch))) == arch


def test_the_published_cells_are_a_point_of_the_space():
    arch = from_numbers(ENAS_MICRO)
    blueprint = enas_micro((3, 16, 16), 10, channels=4, repeats=1)
    assert arch in blueprint.space
    assert blueprint.points == {"ENAS micro": arch}
    assert to_numbers(arch) == NUMBERS
    assert (arch["normal/2/left/input"], arch["normal/2/left/op"]) == (0, "avg_pool_3x3")
    assert (arch["reduce/4/right/input"], arch["reduce/4/right/op"]) == (3, "sep_conv_5x5")
    assert blueprint.build(arch, seed=0)(torch.rand(2, 3, 16, 16)).shape == (2, 10)


def test_both_inputs_of_the_first_cell_are_preprocessed():
    net = enas_micro((3, 16, 16), 10, channels=4, repeats=1).build(from_numbers(ENAS_MICRO), seed=0)
    assert len(net.cells) == 5
    assert [cell.preprocess0(torch.rand(2, 12, 8, 8)).shape[1] for cell in net.cells[:1]] == [4]


def changed(**numbers: int) -> list[int]:
    return [numbers.get(f"at{i}", number) for i, number in enumerate(NUMBERS)]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (changed(at1=5), "'normal/2/left' got operation 5; known: 0 sep_conv_3x3, 1 .* 4 skip_connect"),
        (changed(at3=-1), "'normal/2/right' got operation -1"),
        (changed(at0=2), "'normal/2/left' uses state 2; block 2 can only use states 0 to 1"),
        (changed(at38=6), "'reduce/6/right' uses state 6; block 6 can only use states 0 to 5"),
        (changed(at38=-1), "'reduce/6/right' uses state -1"),
        (NUMBERS[:-1], "got 39 numbers; an ENAS micro network is 40"),
        (ENAS_MACRO, "got 300 numbers; an ENAS micro network is 40"),
        ("", "number 1 is ''"),
        ("9" * 5000, "number 1 is '9.*at most nine digits"),
        (ENAS_MICRO.replace("4", "x", 1), "number 6 is 'x'"),
        ([*NUMBERS[:-1], 1.5], "number 40 is '1.5'"),
        ([*NUMBERS[:-1], True], "number 40 is 'True'"),
        ("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", "number 1 is"),
        (NASNET_A._asdict(), "expected whole numbers"),
        (None, "expected whole numbers"),
    ],
)
def test_bad_numbers_are_refused_with_the_part(numbers, message):
    with pytest.raises(UsageError, match=message):
        from_numbers(numbers)


def test_images_that_are_too_small_are_refused():
    with pytest.raises(UsageError, match="'enas-micro' needs images of at least 8×8 pixels, got 8×7"):
        make_space("enas-micro", (3, 8, 7), 10)
