import pytest

from nasturtium.core.errors import UsageError
from nasturtium.problem.objectives import Objective
from nasturtium.problem.protocols import Problem
from nasturtium.problem.records import Fidelity, Proposal, Trial
from nasturtium.space.architecture import Architecture
from nasturtium.spaces.base import make_space
from nasturtium.strategies.base import STRATEGIES
from nasturtium.strategies.rungs import Bracket, best, geometric, standing
from strategies.ladder import problem

PROMOTING = [name for name in STRATEGIES.names() if "fidelities" in STRATEGIES.info(name).abilities]


@pytest.mark.parametrize(
    ("full", "eta", "rungs"),
    [
        (81, 3, [1, 3, 9, 27, 81]),
        (200, 3, [1, 2, 7, 22, 67, 200]),
        (8, 3, [1, 3, 8]),
        (8, 2, [1, 2, 4, 8]),
        (2, 3, [1, 2]),
        (1, 3, [1]),
    ],
)
def test_rungs_are_parts_of_the_full_training(full, eta, rungs):
    assert [rung.epochs for rung in geometric(full, eta)] == rungs


def trial(number: int, loss: float | None, *, violation: float = 0.0) -> Trial:
    proposal = Proposal(Architecture({"number": number}), Fidelity(1))
    if loss is None:
        return Trial(number, proposal, "failed")
    if violation:
        return Trial(number, proposal, "infeasible", violation=violation)
    return Trial(number, proposal, "ok", (loss,))


def test_limits_come_before_losses_and_failures_last():
    trials = [trial(0, None), trial(1, 9.0), trial(2, 0.1, violation=0.5), trial(3, 1.0), trial(4, 1.0)]
    assert [t.id for t in sorted(trials, key=standing)] == [3, 4, 1, 2, 0]
    assert [t.id for t in best(trials, 2)] == [3, 4]
    assert [t.id for t in best(trials, 9)] == [3, 4, 1]


def architectures(number: int):
    """So many, and then none."""
    rest = iter(range(number))
    return lambda: next((Architecture({"number": i}) for i in rest), None)


def asked(bracket: Bracket, new) -> list[tuple[int, int | None]]:
    found = []
    while (proposal := bracket.ask(new)) is not None:
        found.append((proposal.fidelity.epochs, proposal.parent))
    return found


def test_a_bracket_waits_for_a_rung_and_promotes_its_best():
    bracket, new = Bracket(tuple(map(Fidelity, (1, 3, 9))), (4, 2, 1)), architectures(99)
    assert asked(bracket, new) == [(1, None)] * 4
    for number, loss in [(2, 0.3), (0, 0.4), (3, 0.1)]:
        bracket.tell(trial(number, loss))
        assert asked(bracket, new) == []
    bracket.tell(trial(1, 0.2))
    assert asked(bracket, new) == [(3, 3), (3, 1)]
    bracket.tell(trial(5, 0.2))
    bracket.tell(trial(4, 0.3))
    assert asked(bracket, new) == [(9, 5)]
    assert not bracket.over
    bracket.tell(trial(6, None))
    assert bracket.over


def test_what_is_not_ok_is_never_promoted():
    bracket, new = Bracket(tuple(map(Fidelity, (1, 3, 9))), (4, 3, 1)), architectures(99)
    asked(bracket, new)
    for done in (trial(0, None), trial(1, 0.9), trial(2, 0.1, violation=0.1), trial(3, None)):
        bracket.tell(done)
    assert asked(bracket, new) == [(3, 1)]
    bracket.tell(trial(4, None))
    assert bracket.over


def test_at_the_end_of_the_space_those_there_are_go_on():
    bracket, new = Bracket(tuple(map(Fidelity, (1, 3))), (9, 3)), architectures(2)
    assert asked(bracket, new) == [(1, None)] * 2
    bracket.tell(trial(0, 0.2))
    bracket.tell(trial(1, 0.1))
    assert asked(bracket, new) == [(3, 1), (3, 0)]
    nothing = Bracket(tuple(map(Fidelity, (1, 3))), (9, 3))
    assert asked(nothing, architectures(0)) == []
    assert nothing.over


@pytest.mark.parametrize("name", ["bohb", "dehb"])
def test_a_space_without_a_list_of_decisions_is_refused(name):
    space = make_space("network-morphism", (1, 8, 8), 10, {}).space
    with pytest.raises(UsageError, match="list of decisions"):
        STRATEGIES.get(name)(Problem(space, (Objective("loss", "min"),), (Fidelity(1),)))


@pytest.mark.parametrize("name", PROMOTING)
def test_one_of_one_is_no_promotion(name):
    with pytest.raises(UsageError, match="2 or more, not 1"):
        STRATEGIES.get(name)(problem(1, 3), eta=1)
