"""What every registered strategy must do, whatever it searches."""

import json

import numpy as np
import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Limit, Objective
from nasturtium.problem.protocols import Problem, Strategy
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.constraints import Count
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace
from nasturtium.strategies.base import STRATEGIES
from space.space_examples import conditional, darts_like

NAMES = STRATEGIES.names()
LEARNING = [name for name in NAMES if name not in ("random", "grid")]
PROMOTING = [name for name in NAMES if "fidelities" in STRATEGIES.info(name).abilities]
MODELLING = ("auto", "bananas", "gp", "npenas", "smac", "weaknas")
ONE, THREE = (Fidelity(1),), (Fidelity(1), Fidelity(3), Fidelity(9))


def flat(decisions: int = 8, options: str = "abcd") -> SearchSpace:
    return SearchSpace([Decision(f"d{i}", tuple(options)) for i in range(decisions)])


def constrained() -> SearchSpace:
    """At most two a's among four decisions, one of which has no other option."""
    decisions = [*(Decision(f"d{i}", ("a", "b", "c")) for i in range(3)), Decision("d3", ("a",))]
    names = frozenset(d.name for d in decisions)
    return SearchSpace(decisions, constraints=[Count("at most two a", names, frozenset("a"), most=2)])


SPACES = {"flat": flat, "conditional": conditional, "darts": darts_like, "constrained": constrained}


def strategy(name: str, space: SearchSpace, *, seed: int = 0, fidelities=ONE) -> Strategy:
    limits = (Limit("size", 1.0),)
    problem = Problem(space, (Objective("loss", "min"),), fidelities, limits)
    return STRATEGIES.get(name)(problem, seed=seed)


def result(number: int, proposal: Proposal) -> Trial:
    """Every architecture has a fixed loss; some are over the limit, and some trials fail."""
    value = hash(proposal.arch) % 1000 / 1000
    if value > 0.9:
        return Trial(number, proposal, "failed", error="it diverged")
    if value > 0.7:
        return Trial(number, proposal, "infeasible", violation=value)
    return Trial(number, proposal, "ok", (value,))


Call = int | list[Trial]  # an ask for so many, or a tell


def play(searching: Strategy, trials: int, *, workers: int = 1, seed: int = 0) -> tuple[list[Call], list]:
    """All calls of a search whose trials end in a random order, and all its answers."""
    rng = np.random.default_rng(seed)
    calls: list[Call] = []
    answers, running, number = [], [], 0
    while number < trials or running:
        want = min(workers - len(running), trials - number)
        if want:
            answers.append(searching.ask(want))
            calls.append(want)
            assert len(answers[-1]) <= want
            running += [result(number + i, proposal) for i, proposal in enumerate(answers[-1])]
            number += len(answers[-1])
            if not running:
                break  # nothing is proposed and nothing runs: it is finished
        calls.append([running.pop(int(rng.integers(len(running))))])
        searching.tell(calls[-1])
    return calls, answers


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("name", NAMES)
def test_proposals_are_valid_and_replay_to_the_same(name, workers, space):
    made = space()
    calls, answers = play(strategy(name, made), 60, workers=workers)
    assert sum(map(len, answers)) >= min(60, made.size())
    assert all(made.why_not(proposal.arch) is None for answer in answers for proposal in answer)
    assert replayed(strategy(name, space()), calls) == answers


def replayed(again: Strategy, calls: list[Call]) -> list[list[Proposal]]:
    """The answers of a strategy of which everything is asked and told again."""
    answers = []
    for call in calls:
        if isinstance(call, int):
            answers.append(again.ask(call))
        else:
            again.tell(call)
    return answers


@pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)
@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("name", [*PROMOTING, "random", "evolution", "optuna", "auto"])
def test_over_several_fidelities_only_what_is_ok_is_continued(name, workers, space):
    calls, answers = play(strategy(name, space(), fidelities=THREE), 80, workers=workers)
    assert replayed(strategy(name, space(), fidelities=THREE), calls) == answers
    told: dict[int, Trial] = {}
    begun, number, continued = iter(answers), 0, set()
    for call in calls:
        if isinstance(call, list):
            told |= {trial.id: trial for trial in call}
            continue
        for proposal in next(begun):
            number += 1
            assert proposal.fidelity in (None, *THREE)
            if proposal.parent is not None:
                parent = told[proposal.parent]  # so it was told before
                assert parent.status == "ok"
                assert parent.proposal.arch == proposal.arch
                assert parent.proposal.fidelity.epochs < (proposal.fidelity or THREE[-1]).epochs
                assert (proposal.parent, proposal.fidelity) not in continued
                continued.add((proposal.parent, proposal.fidelity))
    assert (len(continued) > 0) == (name in PROMOTING)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "grid"])
def test_the_seed_decides(name):
    one, other = (play(strategy(name, flat(), seed=seed), 30)[1] for seed in (0, 1))
    assert one != other


@pytest.mark.parametrize("name", NAMES)
def test_the_worlds_random_numbers_are_left_alone(name):
    import torch

    before = torch.get_rng_state()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    play(strategy(name, flat()), 30)
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


@pytest.mark.parametrize("name", NAMES)
def test_a_space_of_one_architecture_is_no_trap(name):
    made = SearchSpace([Decision("only", ("a",)), Decision("both", (0, 1), k=2)])
    answers = play(strategy(name, made), 5)[1]
    assert dict(answers[0][0].arch) == {"only": "a", "both": (0, 1)}


@pytest.mark.parametrize("status", ["failed", "infeasible"])
@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_when_nothing_works(name, status):
    searching = strategy(name, flat())
    for number in range(120):
        (proposal,) = searching.ask(1)
        searching.tell([Trial(number, proposal, status, violation=float(status == "infeasible"))])


@pytest.mark.parametrize("name", NAMES)
def test_it_never_waits_for_nothing(name):
    """Asked without a tell it may stop, but only while something runs."""
    searching = strategy(name, flat())
    asked = 0
    while asked < 300 and (proposals := searching.ask(7)):
        assert len(proposals) <= 7
        asked += len(proposals)
    assert asked > 0


class Toy:
    """Scores that are a sum of 8 random tables; short trainings show them with noise, full ones exactly."""

    def __init__(self, seed: int, fidelities: tuple[Fidelity, ...]) -> None:
        rng = np.random.default_rng([seed, 1])
        self.space, self.fidelities, self.seed = flat(), fidelities, seed
        self.table, self.size = (
            {name: dict(zip("abcd", rng.random(4), strict=True)) for name in self.space.decisions}
            for _ in range(2)
        )

    def search(self, name: str, limit: float, trainings: int) -> float:
        """The score of what was best at the highest fidelity met, when so many full trainings are spent, as a
        share of the best possible.
        """
        problem = Problem(self.space, (Objective("score", "max"),), self.fidelities)
        searching, full = STRATEGIES.get(name)(problem, seed=self.seed), self.fidelities[-1]
        seen, number, left = [(0, 0.0, 0.0)], 0, trainings * full.epochs
        epochs: dict[int, int] = {}
        while left > 0 and (proposals := searching.ask(1)):
            (proposal,) = proposals
            epochs[number] = (proposal.fidelity or full).epochs
            left -= epochs[number] - epochs.get(proposal.parent, 0)
            score, weight = (sum(t[d][v] for d, v in proposal.arch.items()) for t in (self.table, self.size))
            noise = np.random.default_rng([number, self.seed]).normal()
            shown = float(score + 0.2 * noise * (1 / epochs[number] - 1 / full.epochs))
            if weight > limit:
                trial = Trial(number, proposal, "infeasible", violation=weight / limit - 1)
            else:
                trial = Trial(number, proposal, "ok", (-shown,))
                seen.append((epochs[number], shown, score))
            searching.tell([trial])
            number += 1
        return max(seen)[2] / sum(max(row.values()) for row in self.table.values())


def going_on(searching: Strategy, running: list[Trial], number: int) -> list[list[Proposal]]:
    """Its answers to a hundred asks, with five workers, some of whom are at work on `running`."""
    rng, answers, running = np.random.default_rng(1), [], list(running)
    for _ in range(100):
        answers.append(searching.ask(5 - len(running)))
        running += [result(number + i, proposal) for i, proposal in enumerate(answers[-1])]
        number += len(answers[-1])
        for _ in range(int(rng.integers(1, 3))):
            if running:
                searching.tell([running.pop(int(rng.integers(len(running))))])
    return answers


@pytest.mark.parametrize("space", [flat, conditional])
@pytest.mark.parametrize("name", NAMES)
def test_a_snapshot_goes_on_like_the_search_that_it_was_taken_of(name, space):
    searching, other = strategy(name, space()), strategy(name, space())
    state = searching.state_dict()
    if state is None:
        with pytest.raises(UsageError, match="make the same calls again"):
            other.load_state_dict({})
        return
    _, answers = play(searching, 53, workers=5)  # amid a generation
    number = sum(map(len, answers))
    running = [result(number + i, proposal) for i, proposal in enumerate(searching.ask(3))]
    other.load_state_dict(json.loads(json.dumps(searching.state_dict())))
    number += len(running)
    assert going_on(other, running, number) == going_on(searching, running, number)
    with pytest.raises(UsageError, match="this is no state of"):
        other.load_state_dict({})


@pytest.mark.parametrize("limit", [np.inf, 4.0], ids=["free", "limited"])
@pytest.mark.parametrize("name", LEARNING)
def test_it_beats_random_search_by_more_than_chance(name, limit):
    """By more than two standard errors of the paired difference over several problems, at equal cost."""
    seeds, fidelities, trainings = (10, THREE, 60) if name in PROMOTING else (6, ONE, 150)
    if name in MODELLING:
        trainings = 60  # they need fewer and take longer for each
    toys = [Toy(seed, fidelities) for seed in range(seeds)]
    found, randomly = ([toy.search(n, limit, trainings) for toy in toys] for n in (name, "random"))
    gain = np.subtract(found, randomly)
    assert gain.mean() > 2 * gain.std(ddof=1) / len(toys) ** 0.5
