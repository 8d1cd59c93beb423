from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare
from space_examples import brute_force, condition, conditional, darts_like, draws, spaces, when

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import ALWAYS
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

SEEDS = st.integers(0, 2**32)


@pytest.mark.parametrize(
    ("decisions", "conditions", "constraints", "message"),
    [
        (["a", "b", "a"], {}, [], "share a name: a"),
        (["kernel"], {"kernal": ALWAYS}, [], "a condition names 'kernal'.*'kernel'"),
        (["kernel"], {"kernel": condition([when("kernl", 1)])}, [], "a condition names 'kernl'.*'kernel'"),
        (["kernel"], {}, [Rule("x", frozenset(["kerne"]), bool)], "a constraint names 'kerne'.*'kernel'"),
        (["a", "b"], {"a": condition([when("b", 1)]), "b": condition([when("a", 1)])}, [], "in a circle"),
    ],
)
def test_senseless_spaces_are_refused(decisions, conditions, constraints, message):
    with pytest.raises(UsageError, match=message):
        SearchSpace([Decision(name, (1, 2)) for name in decisions], conditions, constraints)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"knd": "none"}, "unknown decision 'knd': did you mean 'kind'"),
        ({}, "'kind' is missing; allowed: none, conv, pool"),
        ({"kind": "con"}, "'kind' got 'con'; allowed: none, conv, pool"),
        ({"kind": "conv", "conv/kernel": 1}, "'conv/bias' is missing; allowed: yes, no"),
        ({"kind": "none", "conv/kernel": 1}, r"'conv/kernel' .*off: it needs kind in \{conv\}"),
        ({"kind": "pool", "pool/inputs": (1, 0)}, r"'pool/inputs' got \(1, 0\); allowed: 2, .*of 0, 1, 2"),
        ({"kind": "conv", "conv/kernel": 5, "conv/bias": "yes"}, "no bias on 5×5"),
    ],
)
def test_validate_says_what_is_wrong(values, message):
    space = constrained()
    with pytest.raises(UsageError, match=message):
        space.validate(values)
    assert values not in space


def constrained() -> SearchSpace:
    base = conditional()
    rule = Rule(
        "no bias on 5×5",
        frozenset(["conv/kernel", "conv/bias"]),
        lambda v: v != {"conv/kernel": 5, "conv/bias": "yes"},
    )
    return SearchSpace(list(base.decisions.values()), base.conditions, [rule])


def test_validate_brings_order_and_number_types_into_line():
    arch = conditional().validate({"conv/bias": "no", "conv/kernel": 3.0, "kind": "conv"})
    assert arch == Architecture({"kind": "conv", "conv/kernel": 3, "conv/bias": "no"})
    assert list(arch) == ["kind", "conv/kernel", "conv/bias"]
    assert type(arch["conv/kernel"]) is int


@given(spaces(), SEEDS)
def test_moves_stay_in_the_space(space, seed):
    every = sorted(brute_force(space), key=lambda a: a.digest)
    assume(every)
    rng = np.random.default_rng(seed)
    a, b = (every[int(rng.integers(len(every)))] for _ in range(2))
    for kind in ("uniform", "single-point", "cell"):
        assert space.crossover(a, b, rng, kind=kind) in space
    for n in (1, 2, 9):
        assert space.mutate(a, rng, n=n) in space
    assert space.complete({}, rng) in space
    assert space.complete(a, rng) == a


@given(spaces())
def test_neighbours_are_valid_distinct_and_mutual(space):
    every = sorted(brute_force(space), key=lambda a: a.digest)
    assume(every)
    for arch in every[:6]:
        near = list(space.neighbors(arch))
        assert len(set(near)) == len(near)
        assert arch not in near
        for other in near:
            assert other in space
            assert arch in set(space.neighbors(other))


def test_neighbours_of_an_unconditional_architecture_differ_in_one_value():
    space = SearchSpace([Decision("a", (1, 2, 3), ordered=True), Decision("b", tuple("xyz"))])
    near = set(space.neighbors(Architecture({"a": 1, "b": "x"})))
    assert near == {Architecture(v) for v in ({"a": 2, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "z"})}


def test_neighbours_try_every_value_that_a_move_switches_on():
    near = set(conditional().neighbors(Architecture({"kind": "none"})))
    assert len(near) == 9
    assert near == set(conditional().enumerate()) - {Architecture({"kind": "none"})}


@pytest.mark.parametrize("n", [1, 2, 4])
def test_mutate_changes_n_decisions_and_never_single_ones(n):
    decisions = [Decision(f"d{i}", (0, 1, 2), ordered=i % 2 == 0) for i in range(4)]
    decisions += [Decision("one", ("x",)), Decision("all", (0, 1), k=2), Decision("pair", (0, 1, 2), k=2)]
    space = SearchSpace(decisions)
    rng = np.random.default_rng(0)
    picked: Counter[str] = Counter()
    for arch in draws(space, 400):
        child = space.mutate(arch, rng, n=n)
        changed = [name for name in arch if child[name] != arch[name]]
        assert len(changed) == n
        picked.update(changed)
        assert len(set(child["pair"]) & set(arch["pair"])) >= 1
    assert picked.keys() == {"d0", "d1", "d2", "d3", "pair"}
    assert chisquare(list(picked.values())).pvalue > 0.001


def test_mutate_changes_what_can_be_changed_under_constraints():
    """Most single changes break the rule; those that keep it must be found instead of starting afresh."""
    tied = Rule("all equal", frozenset(f"d{i}" for i in range(5)), lambda v: len(set(v.values())) == 1)
    decisions = [Decision(f"d{i}", tuple(range(8))) for i in range(5)]
    space = SearchSpace([*decisions, Decision("free", tuple(range(8)))], constraints=[tied])
    rng = np.random.default_rng(0)
    for arch in draws(space, 50):
        child = space.mutate(arch, rng)
        assert [name for name in arch if child[name] != arch[name]] == ["free"]


def test_mutate_leaves_a_space_without_alternatives_alone():
    space = SearchSpace([Decision("one", ("x",)), Decision("all", (0, 1), k=2)])
    arch = space.sample(np.random.default_rng(0))
    assert space.mutate(arch, np.random.default_rng(0), n=3) == arch


def parents() -> tuple[SearchSpace, Architecture, Architecture]:
    names = [f"{cell}/{i}" for cell in ("normal", "reduce", "head") for i in range(3)]
    space = SearchSpace([Decision(name, ("a", "b")) for name in names])
    return space, *(Architecture(dict.fromkeys(names, letter)) for letter in "ab")


def children(kind: str, number: int) -> list[str]:
    space, a, b = parents()
    rng = np.random.default_rng(0)
    return ["".join(map(str, space.crossover(a, b, rng, kind=kind).values())) for _ in range(number)]


def test_uniform_crossover_takes_each_decision_from_either():
    found = children("uniform", 4000)
    share = np.array([[letter == "a" for letter in child] for child in found])
    assert np.abs(share.mean(axis=0) - 0.5).max() < 0.04
    assert np.abs(np.corrcoef(share.T) - np.eye(9)).max() < 0.08


def test_single_point_crossover_cuts_once():
    assert set(children("single-point", 300)) == {"a" * i + "b" * (9 - i) for i in range(1, 9)}


def test_cell_crossover_keeps_groups_together():
    assert set(children("cell", 300)) == {3 * x + 3 * y + 3 * z for x in "ab" for y in "ab" for z in "ab"}


def test_crossover_takes_what_only_one_parent_has_from_it():
    space = conditional()
    a = Architecture({"kind": "conv", "conv/kernel": 5, "conv/bias": "no"})
    b = Architecture({"kind": "none"})
    rng = np.random.default_rng(0)
    assert {space.crossover(a, b, rng) for _ in range(50)} == {a, b}


def test_unknown_crossover_is_refused():
    space, a, b = parents()
    with pytest.raises(UsageError, match="'two-point': known are uniform, single-point, cell"):
        space.crossover(a, b, np.random.default_rng(0), kind="two-point")


@pytest.mark.parametrize("values", [None, 3, ["conv"], "|nor_conv_3x3~0|", {3: 4}])
def test_what_is_no_architecture_is_refused(values):
    with pytest.raises(UsageError, match=r"an architecture maps .* got|unknown decision '3'"):
        conditional().validate(values)


def test_complete_keeps_wishes_that_are_active_and_allowed():
    space = conditional()
    rng = np.random.default_rng(0)
    wish = {"kind": "conv", "conv/kernel": 3, "pool/inputs": (0, 1), "conv/bias": "maybe"}
    found = {space.complete(wish, rng) for _ in range(50)}
    assert found == {
        Architecture({"kind": "conv", "conv/kernel": 3, "conv/bias": bias}) for bias in ("yes", "no")
    }


def test_complete_falls_back_where_wishes_contradict_a_constraint():
    wish = {"kind": "conv", "conv/kernel": 5, "conv/bias": "yes"}
    assert constrained().complete(wish, np.random.default_rng(0)) in constrained()


def test_restrict_keeps_conditions_and_constraints():
    space = constrained().restrict({"conv/kernel": [3, 5], "kind": {"conv", "pool"}})
    expected = {a for a in constrained().enumerate() if a["kind"] != "none" and a.get("conv/kernel") != 1}
    assert set(space.enumerate()) == expected
    assert len(expected) == 6


def test_restrict_refuses_what_is_not_there():
    with pytest.raises(UsageError, match="unknown decision 'kin': did you mean 'kind'"):
        conditional().restrict({"kin": ["conv"]})
    with pytest.raises(UsageError, match="'pool/inputs' chooses 2 of 1"):
        conditional().restrict({"pool/inputs": [0]})
    for options in ("none", 3, None):
        with pytest.raises(UsageError, match="give decision 'kind' a list of options"):
            conditional().restrict({"kind": options})


FOREIGN = [
    ({"kind": "none", "knd": "none"}, "unknown decision 'knd'"),
    (None, "maps the names of decisions to values, got None"),
    (["kind"], "maps the names of decisions to values, got \\['kind'\\]"),
    ("kind", "maps the names of decisions to values, got 'kind'"),
    (3, "maps the names of decisions to values, got 3"),
]


@pytest.mark.parametrize(("foreign", "message"), FOREIGN)
@pytest.mark.parametrize(
    "use",
    [
        lambda space, arch, own: space.validate(arch),
        lambda space, arch, own: space.canonical(arch),
        lambda space, arch, own: space.encode([own, arch]),
        lambda space, arch, own: list(space.neighbors(arch)),
        lambda space, arch, own: space.mutate(arch, np.random.default_rng(0)),
        lambda space, arch, own: space.crossover(own, arch, np.random.default_rng(0)),
        lambda space, arch, own: space.crossover(arch, own, np.random.default_rng(0)),
    ],
    ids=["validate", "canonical", "encode", "neighbors", "mutate", "crossover 2nd", "crossover 1st"],
)
def test_what_is_no_architecture_of_this_space_is_refused(use, foreign, message):
    space = conditional()
    assert foreign not in space
    with pytest.raises(UsageError, match=message):
        use(space, foreign, Architecture({"kind": "none"}))


@pytest.mark.parametrize("incomplete", [{}, {"kind": "pool"}, {"kind": "conv"}])
def test_what_lacks_decisions_has_no_canonical_form_and_no_neighbours(incomplete):
    with pytest.raises(UsageError, match="is missing"):
        conditional().canonical(incomplete)
    with pytest.raises(UsageError, match="is missing"):
        list(conditional().neighbors(incomplete))


def test_encoding_is_one_hot_and_zero_where_inactive():
    space = conditional()
    code = space.encode(Architecture({"kind": "pool", "pool/inputs": (0, 2)}))
    assert code.dtype == np.float32
    assert code.tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1]
    assert len({space.encode(arch).tobytes() for arch in space.enumerate()}) == 10


def test_the_description_is_the_same_data_however_conditions_were_made():
    one, other = darts_like(), darts_like()
    assert one.to_dict() == other.to_dict()
    assert one.to_dict() != darts_like().restrict({"normal/2<-0": ["a"]}).to_dict()


@given(SEEDS)
def test_the_same_generator_state_gives_the_same_moves(seed):
    space = conditional()

    def walk() -> list[Architecture]:
        rng = np.random.default_rng(seed)
        a, b = space.sample(rng), space.sample(rng)
        return [a, b, space.mutate(a, rng), space.crossover(a, b, rng), space.complete({}, rng)]

    assert walk() == walk()
