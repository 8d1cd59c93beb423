import pytest

from nasturtium.core.errors import UsageError
from nasturtium.modules.dims import Dim, derived, dims_of, evaluate, possible

WIDTH, SCALE = Dim("width", (8, 16)), Dim("scale", (1.0, 1.5))


def test_a_size_computed_from_computed_sizes():
    scaled = derived(lambda width, scale: round(width * scale), WIDTH, SCALE)
    both = derived(lambda a, b, c: a + b + c, scaled, WIDTH, 100)
    assert dims_of(both) == (WIDTH, SCALE)
    chosen = {WIDTH: 16, SCALE: 1.5}
    assert evaluate(both, chosen.__getitem__) == 24 + 16 + 100
    assert list(possible(both)) == [116, 120, 132, 140]


def test_a_size_computed_from_numbers_is_a_number():
    assert derived(lambda a, b: a * b, 3, 4) == 12


def test_a_ratio_by_itself_is_no_size():
    with pytest.raises(UsageError, match=r"scale: a layer needs a whole number, got 1\.0"):
        list(possible(SCALE))
