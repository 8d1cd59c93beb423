"""Constraints that say what of the values seen still matters: counts, and ways through a graph."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare
from space_examples import brute_force, draws, spaces

from nasturtium.core.errors import UsageError
from nasturtium.space import counting
from nasturtium.space.conditions import When
from nasturtium.space.constraints import Count, Path, Rule, Summarised, reached
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


@st.composite
def counted(draw: Any) -> SearchSpace:
    """A random space, some of its decisions conditional, with one or two counts."""
    base = draw(spaces(constrained=False))
    counts = []
    for _ in range(draw(st.integers(1, 2))):
        names = draw(st.sets(st.sampled_from(list(base.decisions)), min_size=1))
        options = draw(st.sets(st.sampled_from("abc"), min_size=1))
        least = draw(st.integers(0, 2))
        most = draw(st.none() | st.integers(least, 3))
        counts.append(Count("a count", frozenset(names), frozenset(options), least, most))
    return SearchSpace(list(base.decisions.values()), base.conditions, counts)


@st.composite
def connected(draw: Any) -> SearchSpace:
    """Up to six edges between four vertices, in any direction and order, some switched on by another."""
    pairs = draw(st.lists(st.sampled_from(PAIRS), min_size=1, max_size=6, unique=True))
    edges = {f"e{i}": pair for i, pair in enumerate(pairs)}
    conditions = {}
    for i in range(1, len(pairs)):
        if draw(st.integers(0, 3)) == 0:
            other = f"e{draw(st.integers(0, i - 1))}"
            conditions[f"e{i}"] = frozenset([frozenset([When(other, frozenset([draw(st.integers(0, 1))]))])])
    rules = [Path("a way", edges, 1, 0, 3)]
    if draw(st.booleans()):
        rules.append(Count("few edges", frozenset(edges), frozenset([1]), 0, draw(st.integers(1, 4))))
    decisions = [Decision(name, (0, 1)) for name in edges]
    return SearchSpace(draw(st.permutations(decisions)), conditions, rules)


PAIRS = [(s, t) for s, t in itertools.product(range(4), repeat=2) if s != t]


@given(counted() | connected())
def test_size_and_enumeration_equal_brute_force(space):
    expected = brute_force(space)
    if not expected:
        with pytest.raises(UsageError, match="no architecture"):
            space.size()
        return
    assert space.size() == len(expected)
    assert set(space.enumerate()) == expected
    assert all(arch in space for arch in draws(space, 5))


@given(connected())
def test_summaries_and_remembered_values_count_the_same(space):
    plain = [Rule("the same", c.reads, lambda v, c=c: c.violation(v) is None) for c in space.constraints]
    same = SearchSpace(list(space.decisions.values()), space.conditions, plain)
    assume(brute_force(space))
    assert space.size() == same.size()


def ones(n: int, least: int, most: int | None, *, known: bool) -> SearchSpace:
    names = frozenset(f"d{i}" for i in range(n))
    count = Count("ones", names, frozenset([1]), least, most)
    rule = count if known else Rule("ones", names, lambda v: count.violation(v) is None)
    return SearchSpace([Decision(name, (0, 1, 2)) for name in sorted(names)], constraints=[rule])


def test_a_count_over_many_decisions_is_exact_where_remembering_is_out_of_reach(monkeypatch):
    few = sum(2 ** (60 - k) * math.comb(60, k) for k in range(2, 10))
    assert ones(60, 2, 9, known=True).size() == few
    monkeypatch.setattr(counting, "MOST_NODES", 1000)
    with pytest.raises(UsageError, match="too many decisions"):
        ones(12, 2, 9, known=False).size()
    assert ones(12, 2, None, known=True).size() == 3**12 - 2**12 - 12 * 2**11


def graphs_by_numpy(vertices: int, most: int) -> int:
    """Upper triangular matrices with at most `most` edges and a way from the first vertex to the last."""
    pairs = [(s, t) for t in range(1, vertices) for s in range(t)]
    bits = np.arange(2 ** len(pairs))
    there = {pair: (bits >> i & 1).astype(bool) for i, pair in enumerate(pairs)}
    ways = [np.ones(len(bits), dtype=bool)]
    for t in range(1, vertices):
        ways.append(np.logical_or.reduce([ways[s] & there[s, t] for s in range(t)]))
    edges = np.sum([on.astype(np.int8) for on in there.values()], axis=0)
    return int((ways[-1] & (edges <= most)).sum())


def graph_space(vertices: int, most: int, *, by_rows: bool = False) -> SearchSpace:
    edges = {f"{t}<-{s}": (s, t) for t in range(1, vertices) for s in range(t)}
    if by_rows:
        edges = dict(sorted(edges.items(), key=lambda item: item[1]))
    rules = [
        Count("at most", frozenset(edges), frozenset([1]), most=most),
        Path("a way", edges, 1, 0, vertices - 1),
    ]
    return SearchSpace([Decision(name, (0, 1)) for name in edges], constraints=rules)


@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize(("vertices", "most"), [(3, 2), (4, 4), (4, 9), (5, 9), (6, 9)])
def test_graphs_are_counted_exactly(vertices, most, by_rows):
    assert graph_space(vertices, most, by_rows=by_rows).size() == graphs_by_numpy(vertices, most)


def test_graphs_are_enumerated_and_drawn_uniformly():
    space = graph_space(4, 4)
    every = list(space.enumerate())
    assert set(every) == brute_force(space)
    seen = dict.fromkeys(every, 0)
    for arch in draws(space, 200 * len(every), seed=1):
        seen[arch] += 1
    assert chisquare(list(seen.values())).pvalue > 0.01


def test_reasons_tell_what_was_found():
    count = Count("two at most", frozenset("abc"), frozenset([1, 3]), most=2)
    assert count.violation({"a": 1, "b": 2, "c": 3, "other": 1}) is None
    assert count.violation({"a": 1, "b": (2, 3), "c": 3}) == "two at most (got 3)"
    path = Path("0 must lead to 2", {"a": (0, 1), "b": (1, 2)}, "yes", 0, 2)
    assert path.violation({"a": "yes", "b": "yes"}) is None
    assert path.violation({"a": "yes", "b": "no"}) == "0 must lead to 2 (got 0→1)"
    assert path.violation({}) == "0 must lead to 2 (got no edges)"
    assert isinstance(path, Summarised)
    assert isinstance(count, Summarised)
    assert not isinstance(Rule("none", frozenset(), lambda values: True), Summarised)


def test_ways_may_go_in_circles():
    assert reached(0, [(0, 1), (1, 2), (2, 0), (3, 4)]) == {0, 1, 2}
