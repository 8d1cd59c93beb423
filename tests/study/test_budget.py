import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.records import Cost
from nasturtium.study.budget import Budget


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("90s", 90, "seconds"),
        ("10m", 600, "seconds"),
        ("1.5 h", 5400, "seconds"),
        (" 2H ", 7200, "seconds"),
        ("1d", 86400, "seconds"),
        ("30", 30, "seconds"),
        (12.5, 12.5, "seconds"),
        (45, 45, "seconds"),
        ("50 trials", 50, "trials"),
        ("1 trial", 1, "trials"),
        ("20epochs", 20, "epochs"),
        (".5 epochs", 0.5, "epochs"),
    ],
)
def test_forms(text, amount, unit):
    assert Budget.parse(text) == Budget(amount, unit)


@pytest.mark.parametrize(
    "text", ["", "soon", "10 minutes and 3", "-5m", "1e3", "nan", "10mm", "m", "1.2.3s", "٣m"]
)
def test_what_is_not_understood_is_refused_with_the_forms(text):
    with pytest.raises(UsageError, match="'90s', '10m', '2h', '1d', '50 trials', '20 epochs'"):
        Budget.parse(text)


@pytest.mark.parametrize(("text", "why"), [("0m", "more than nothing"), ("2.5 trials", "whole trials")])
def test_amounts_that_make_no_sense(text, why):
    with pytest.raises(UsageError, match=why):
        Budget.parse(text)


def test_spending_is_measured_in_the_budgets_own_unit():
    cost = Cost(seconds=30, epochs=4, forward=1000)
    assert Budget(60, "seconds").fraction(cost, trials=9) == 0.5
    assert Budget(10, "trials").fraction(cost, trials=9) == 0.9
    assert Budget(4, "epochs").fraction(cost, trials=9) == 1.0
    assert not Budget(10, "trials").spent_by(cost, trials=9)
    assert Budget(4, "epochs").spent_by(cost, trials=9)
    assert Budget(29, "seconds").spent_by(cost, trials=0)
