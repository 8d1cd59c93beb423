import itertools

import pytest

from nasturtium.core.errors import UsageError
from nasturtium.space.decision import Decision


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "", "options": (1,)}, "non-empty name without '.'"),
        ({"name": "a.b", "options": (1,)}, "'a.b'"),
        ({"name": "a", "options": ()}, "'a' has no options"),
        ({"name": "a", "options": (1, 2, 1)}, "'a' lists an option twice"),
        ({"name": "a", "options": (1, 1.0)}, "'a' lists an option twice"),
        ({"name": "a", "options": (1, True)}, "'a': options must be text or numbers"),
        ({"name": "a", "options": (None,)}, "'a': options must be text or numbers"),
        ({"name": "a", "options": (1, 2), "k": 3}, "'a' chooses 3 of 2"),
        ({"name": "a", "options": (1, 2), "k": 0}, "'a' chooses 0 of 2"),
    ],
)
def test_senseless_decisions_are_refused_by_name(options, message):
    with pytest.raises(UsageError, match=message):
        Decision(**options)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (4, 1), (4, 2), (5, 3), (3, 3)])
def test_values_are_all_subsets_of_k_options(n, k):
    decision = Decision("a", tuple(range(n)), k=k, many=True)
    subsets = {s for s in itertools.product(range(n), repeat=k) if list(s) == sorted(set(s))}
    assert set(decision.values()) == subsets
    assert decision.count() == len(subsets) == len(list(decision.values()))
    assert all(decision.wrong(value) is None for value in subsets)


def test_near_moves_one_step():
    assert Decision("a", (1, 3, 5, 7), ordered=True).near(3) == [1, 5]
    assert Decision("a", (1, 3, 5, 7), ordered=True).near(1) == [3]
    assert Decision("a", ("x", "y", "z")).near("y") == ["x", "z"]
    near = Decision("a", (0, 1, 2, 3), k=2).near((0, 2))
    assert sorted(near) == [(0, 1), (0, 3), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    "decision", [Decision("a", tuple("pqr"), ordered=True), Decision("b", (0, 1, 2), k=2)]
)
def test_near_is_mutual(decision):
    for value in decision.values():
        assert all(value in decision.near(other) for other in decision.near(value))


@pytest.mark.parametrize(
    ("decision", "value"),
    [
        (Decision("size", (1, 2)), 3),
        (Decision("size", (1, 2)), True),
        (Decision("size", (1, 2)), (1,)),
        (Decision("size", (1, 2)), None),
        (Decision("size", (1, 2)), [1]),
        (Decision("size", (1, 2, 3), k=2), 1),
        (Decision("size", (1, 2, 3), k=2), (1,)),
        (Decision("size", (1, 2, 3), k=2), (2, 1)),
        (Decision("size", (1, 2, 3), k=2), (1, 1)),
        (Decision("size", (1, 2, 3), k=2), [1, 2]),
        (Decision("size", (1, 2, 3), k=2), (1, 4)),
    ],
)
def test_wrong_values_are_explained(decision, value):
    reason = decision.wrong(value)
    assert reason is not None
    assert "'size'" in reason
    assert repr(value) in reason
    assert "1, 2" in reason
