from collections import Counter

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.amoebanet_mutation import AmoebaNetMutation
from nasturtium.strategies.evolution import RegularizedEvolution
from space.space_examples import darts_like


def pairs() -> SearchSpace:
    """Two cells of two nodes, of which the first has no choice of states, and a depth outside of cells."""
    decisions = [Decision("depth", (1, 2, 3))]
    for cell in ("normal", "reduce"):
        for node, states in ((2, (0,)), (3, (0, 1, 2))):
            decisions.append(Decision(f"{cell}/{node}/left/input", states))
            decisions.append(Decision(f"{cell}/{node}/left/op", ("conv", "pool", "skip")))
    return SearchSpace(decisions)


def test_a_cell_then_states_or_operations_with_equal_chances_and_sometimes_nothing():
    space, rng, changed = pairs(), np.random.default_rng(0), Counter()
    mutate, arch = AmoebaNetMutation(space), space.sample(rng)
    for _ in range(4000):
        child = mutate(arch, rng)
        different = [name for name in arch if arch[name] != child[name]]
        assert len(different) <= 1
        changed[different[0] if different else "nothing"] += 1
    expected = {"nothing": 0.05}
    for cell in ("normal", "reduce"):
        expected[f"{cell}/3/left/input"] = 0.95 / 4
        expected |= {f"{cell}/{node}/left/op": 0.95 / 8 for node in (2, 3)}
    assert changed.keys() == expected.keys()
    for name, share in expected.items():
        assert abs(changed[name] - 4000 * share) < 4.5 * (4000 * share * (1 - share)) ** 0.5


def test_inputs_of_darts_are_states_and_what_they_switch_on_is_drawn():
    space, rng = darts_like(), np.random.default_rng(1)
    mutate, arch = AmoebaNetMutation(space), space.sample(rng)
    for _ in range(100):
        child = mutate(arch, rng)
        assert space.why_not(child) is None
        inputs = [name for name in arch if name.endswith("/inputs") and arch[name] != child[name]]
        assert len(inputs) <= 1
        assert all(len(set(arch[name]) & set(child[name])) == 1 for name in inputs)


def test_evolution_mutates_as_it_is_told():
    problem = Problem(pairs(), (Objective("loss", "min"),), (Fidelity(1),))
    strategy = RegularizedEvolution(problem, population=1, sample=1, mutation="amoebanet")
    (first,) = strategy.ask(1)
    strategy.tell([Trial(0, first, "ok", (1.0,))])
    assert {p.arch["depth"] for p in strategy.ask(50)} == {first.arch["depth"]}
    with pytest.raises(UsageError, match="any or amoebanet, not 'amoeba'"):
        RegularizedEvolution(problem, mutation="amoeba")


def test_a_space_without_such_cells_is_refused():
    with pytest.raises(UsageError, match="use mutation 'any'"):
        AmoebaNetMutation(SearchSpace([Decision("width/input", (1, 2))]))
