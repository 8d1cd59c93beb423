import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Trial
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.auto import Auto
from nasturtium.strategies.candidates import Candidates
from nasturtium.strategies.features import Features
from nasturtium.tables.nasbench201 import SPACE

SMALL = SearchSpace([Decision(f"d{i}", (0, 1, 2, 3), ordered=True) for i in range(3)])


def problem(space=SMALL, objectives=1, hints=None) -> Problem:
    return Problem(
        space, tuple(Objective(f"l{i}", "min") for i in range(objectives)), (Fidelity(1),), hints=hints
    )


def search(strategy: Auto, losses, trials: int, *, workers: int = 1) -> list[Trial]:
    """The told trials, `workers` of which run at the same time."""
    done: list[Trial] = []
    while len(done) < trials:
        asked = strategy.ask(workers)
        told = [Trial(len(done) + i, p, "ok", losses(p.arch)) for i, p in enumerate(asked)]
        if not told:
            break
        strategy.tell(told[::-1])
        done += told
    return done


def bowl(arch) -> tuple[float, ...]:
    return (sum((arch[f"d{i}"] - 2) ** 2 for i in range(3)) ** 2.0,)


@pytest.mark.parametrize("workers", [1, 4])
def test_it_finds_the_least_of_a_smooth_function_soon(workers):
    """Random search would need 32 of the 64 on average."""
    for seed in range(5):
        trials = search(Auto(problem(), seed=seed), bowl, 24, workers=workers)
        assert min(t.losses[0] for t in trials) == 0


def test_it_ends_when_every_architecture_was_proposed():
    trials = search(Auto(problem(), seed=0), bowl, 100)
    assert len({t.proposal.arch for t in trials}) == len(trials) == 64


def test_no_two_cells_compute_the_same():
    trials = search(Auto(problem(SPACE), seed=0), lambda arch: (float(hash(arch) % 97),), 60, workers=3)
    assert len({SPACE.canonical(t.proposal.arch) for t in trials}) == 60


def test_several_objectives_spread_over_the_front():
    """The front of (sum, −sum) is everything, so both ends must be found."""

    def both(arch):
        total = float(sum(arch.values()))
        return (total, -total)

    totals = {t.losses[0] for t in search(Auto(problem(objectives=2), seed=0), both, 30)}
    assert {0.0, 9.0} <= totals


def test_hints_help():
    """A function that decisions don't explain, and a hint that orders architectures as it does."""
    space = SearchSpace([Decision(f"d{i}", tuple("abcdefgh")) for i in range(4)])
    value = dict(zip(space.enumerate(), np.random.default_rng(0).random(8**4).tolist(), strict=True))
    known = problem(space, hints=lambda archs: np.exp([[value[arch]] for arch in archs]))
    best = {}
    for name, asked in (("with", known), ("without", problem(space))):
        runs = [search(Auto(asked, seed=seed), lambda arch: (value[arch],), 40) for seed in range(3)]
        best[name] = np.mean([min(t.losses[0] for t in run) for run in runs])
    assert best["with"] < best["without"] / 3


def test_what_runs_is_taken_to_bring_what_is_expected():
    """So that it promises nothing more itself, and the next proposal lies elsewhere."""
    known = [arch for arch in SMALL.enumerate() if arch["d0"] == 0 and arch["d1"] == 0]
    losses = np.array([0.0, -1.0, 0.5, 1.0])
    candidates = Candidates(Features(problem(), np.random.default_rng(0)), known, losses)
    candidates.consider(SMALL.enumerate())
    first, expected = candidates.by_promise(losses, -1.0)[0]
    candidates.observe(first)
    after = [arch for arch, _ in candidates.by_promise(np.append(losses, expected), -1.0)]
    assert after.index(first) > 10


def test_the_most_promising_comes_first():
    known = [arch for arch in SMALL.enumerate() if arch["d0"] < 3]
    losses = np.array([float(arch["d0"]) for arch in known])
    candidates = Candidates(Features(problem(), np.random.default_rng(0)), known, losses - losses.mean())
    twice = [arch for arch in SMALL.enumerate() if arch["d0"] in (0, 3)]
    candidates.consider(twice)
    candidates.consider(twice)
    found = candidates.by_promise(losses - losses.mean(), float((losses - losses.mean()).min()))
    assert len(found) == 32
    expected = {arch: loss for arch, loss in found}
    assert max(loss for arch, loss in expected.items() if arch["d0"] == 0) < min(
        loss for arch, loss in expected.items() if arch["d0"] == 3
    )


@pytest.mark.parametrize("options", [{"first": 0}, {"candidates": 0}])
def test_senseless_numbers_are_refused(options):
    with pytest.raises(UsageError, match="1 or more"):
        Auto(problem(), **options)


def test_a_space_without_end_is_refused_with_what_to_use(monkeypatch):
    monkeypatch.setattr(SearchSpace, "unbounded", True)
    with pytest.raises(UsageError, match="use evolution"):
        Auto(problem())
