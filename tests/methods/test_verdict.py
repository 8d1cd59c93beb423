import pytest

from nasturtium.methods.verdict import judge
from nasturtium.problem.objectives import Limit

RANDOM = [0.90, 0.92, 0.94]  # mean 0.92, standard deviation 0.02


def test_better_than_the_spread_and_the_residual_network_pays_off() -> None:
    paid_off, sentence = judge(found=0.96, random=RANDOM, residual=0.95, images=1000)
    assert paid_off
    assert "96.00 % of the 1000 test images, against 92.00 % ± 2.00 for 3 random architectures" in sentence
    assert "95.00 % for an ordinary residual CNN" in sentence


def test_rivals_within_limits_are_called_so() -> None:
    limits = [Limit("parameters", 3e5), Limit("flops", 1e7)]
    _, sentence = judge(found=0.96, random=RANDOM, residual=0.95, images=1000, limits=limits)
    assert "architectures of the same space with parameters ≤ 300,000 and flops ≤ 10,000,000 and" in sentence


@pytest.mark.parametrize(
    ("found", "residual", "images", "reason"),
    [
        (0.935, 0.90, 1000, "within the noise of random architectures"),
        (0.88, 0.85, 1000, "worse than random architectures"),
        (0.96, 0.97, 1000, "an ordinary residual CNN is better"),
        # 0.045 above the mean, but with 10 test images one standard error is 0.058
        (0.965, 0.90, 10, "within the noise of random architectures"),
    ],
)
def test_otherwise_it_does_not_and_says_why(found: float, residual: float, images: int, reason: str) -> None:
    paid_off, sentence = judge(found=found, random=RANDOM, residual=residual, images=images)
    assert not paid_off
    assert sentence.startswith("The search did not pay off")
    assert reason in sentence


def test_standard_error_of_the_test_is_binomial() -> None:
    _, sentence = judge(found=0.9, random=RANDOM, residual=0.9, images=900)
    assert "one standard error of this test: 1.00 points" in sentence  # sqrt(0.9 · 0.1 / 900)
