import pytest
from hypothesis import given
from space_examples import brute_force, condition, spaces, when

from nasturtium.core.errors import UsageError
from nasturtium.space.conditions import ALWAYS, active, in_order, plainest, simplify

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


def test_conjunctions_that_differ_in_one_decision_are_joined():
    options = {"kind": {"a", "b", "c"}, "depth": {1, 2}, "units": {8, 16}}
    conditions = {
        "kind": ALWAYS,
        "depth": ALWAYS,
        "units": condition([when("kind", "a"), when("depth", 2)], [when("depth", 2), when("kind", "b")]),
    }
    assert plainest(conditions, options)["units"] == condition([when("kind", "a", "b"), when("depth", 2)])


def test_what_always_holds_is_left_out():
    options = {"depth": {1, 2, 3}, "kind": {"a", "b"}, "rate": {0.1, 0.2}}
    conditions = {
        "rate": condition([when("depth", 2, 3), when("kind", "a")], [when("depth", 2, 3), when("kind", "b")]),
        "depth": ALWAYS,
        "kind": condition([when("depth", 1, 2, 3)]),
    }
    assert plainest(conditions, options) == {
        "rate": condition([when("depth", 2, 3)]),
        "depth": ALWAYS,
        "kind": ALWAYS,
    }


def test_a_literal_stays_where_its_decision_may_be_inactive():
    options = {"depth": {1, 2}, "kind": {"a", "b"}, "rate": {0.1, 0.2}}
    conditions = {
        "depth": ALWAYS,
        "kind": condition([when("depth", 2)]),
        "rate": condition([when("kind", "a")], [when("kind", "b")]),
    }
    assert plainest(conditions, options)["rate"] == condition([when("kind", "a", "b")])


@given(spaces())
def test_plain_conditions_switch_on_the_same(space):
    options = {name: set(decision.options) for name, decision in space.decisions.items()}
    plain = plainest(space.conditions, options)
    for arch in brute_force(space):
        assert {name for name, c in plain.items() if active(c, arch)} == arch.keys()
