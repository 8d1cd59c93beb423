import pytest

from nasturtium.cli.bench import _with_interval


@pytest.mark.parametrize(
    ("mean", "half", "shown"),
    [
        (93.7654, 0.2812, "93.77 ± 0.28"),
        (93.7654, 0.0351, "93.77 ± 0.04"),
        (93.7654, 1.52, "93.8 ± 1.5"),
        (12345.6, 217.0, "12346 ± 217"),
        (0.00012, 0.0000034, "0.000120 ± 0.000003"),
        (94.3733, 0.0, "94.373"),
        (94.3733, 1e-14, "94.373"),
        (0.0, 0.0, "0"),
    ],
)
def test_digits_end_where_the_interval_begins(mean: float, half: float, shown: str) -> None:
    assert _with_interval(mean, half, 20) == shown


def test_one_seed_has_no_interval() -> None:
    assert _with_interval(93.76543, float("inf"), 1) == "93.765"
