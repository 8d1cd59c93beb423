import pytest
from space_examples import condition, when

from nasturtium.core.errors import UsageError
from nasturtium.space.conditions import ALWAYS, active, in_order, simplify

A, B, C = when("a", 1), when("b", 1, 2), when("c", 1)


def test_a_condition_is_an_or_of_ands():
    either = condition([A, B], [C])
    assert active(either, {"a": 1, "b": 2})
    assert active(either, {"c": 1})
    assert not active(either, {"a": 1, "b": 3})
    assert not active(either, {"a": 1})
    assert active(ALWAYS, {})
    assert not active(frozenset(), {"a": 1})


def test_a_literal_holds_if_a_k_of_n_value_contains_an_option():
    assert B.holds((0, 2))
    assert not B.holds((0, 3))


def test_simplify_drops_what_is_implied():
    assert simplify(condition([A], [A, B], [C])) == condition([A], [C])
    assert simplify(condition([A], [])) == ALWAYS


def test_order_follows_conditions_and_otherwise_stays():
    order = in_order({"x": condition([when("y", 1)]), "a": ALWAYS, "y": condition([A]), "b": ALWAYS})
    assert order == ["a", "y", "x", "b"]


def test_a_circle_is_named():
    with pytest.raises(UsageError, match="circle: 'a', 'b'$"):
        in_order({"a": condition([B]), "b": condition([A]), "c": ALWAYS})
    with pytest.raises(UsageError, match="circle: 'a'$"):
        in_order({"a": condition([A])})
