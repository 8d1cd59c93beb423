from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.grid import Grid


def grid(*sizes: int) -> Grid:
    space = SearchSpace([Decision(f"d{i}", tuple(range(size))) for i, size in enumerate(sizes)])
    return Grid(Problem(space, (Objective("loss", "min"),), (Fidelity(1),)))


def test_every_architecture_comes_once_in_order_and_then_none():
    strategy = grid(2, 3)
    asked = [tuple(p.arch.values()) for n in (1, 4, 9) for p in strategy.ask(n)]
    assert asked == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert strategy.ask(1) == []


def test_a_large_space_is_not_listed_before_it_is_asked_for():
    assert len(grid(*[10] * 30).ask(5)) == 5
