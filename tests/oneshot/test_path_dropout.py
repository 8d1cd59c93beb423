import pytest
import torch

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Gate
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.path_dropout import PathDropout
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.decision import Decision

DRAWS = 4000


def dropout(r: float, progress: float = 1.0) -> PathDropout:
    found = PathDropout(r, torch.Generator().manual_seed(0))
    found.progress = progress
    return found


def gate_of(k: int) -> tuple[Decision, Gate]:
    return Decision("op", tuple(range(k + 2))), Gate(tuple(range(1, k + 1)), torch.arange(1.0, k + 1))


@pytest.mark.parametrize("progress", [1.0, 0.4])
@pytest.mark.parametrize(("r", "k"), [(0.2, 2), (0.05, 3), (0.5, 7)])
def test_each_entry_goes_at_the_rate_and_one_always_stays(r: float, k: int, progress: float) -> None:
    decision, gate = gate_of(k)
    drops = dropout(r, progress)
    gates = [drops(decision, gate) for _ in range(DRAWS)]
    assert min(len(g.index) for g in gates) >= 1
    rate = progress * r ** (1 / k)
    expected = rate - rate**k / k  # where all would go, one of k is spared
    error = 5 * (expected * (1 - expected) / DRAWS) ** 0.5
    for option in gate.index:
        gone = sum(option not in g.index for g in gates) / DRAWS
        assert gone == pytest.approx(expected, abs=error)


def test_what_stays_keeps_its_weight() -> None:
    decision, gate = gate_of(4)
    drops = dropout(0.3)
    for found in (drops(decision, gate) for _ in range(50)):
        assert found.weight.tolist() == [float(i) for i in found.index]
    assert dropout(0.3)(decision, Gate(gate.index)).weight is None


def test_at_first_and_where_one_runs_nothing_is_dropped() -> None:
    decision, gate = gate_of(3)
    assert all(dropout(0.9, progress=0.0)(decision, gate) is gate for _ in range(20))
    single = Gate((2,), torch.ones(1))
    drops = dropout(0.9)
    assert all(drops(decision, single) is single for _ in range(20))


def test_dropped_candidates_are_not_run() -> None:
    ran: list[str] = []

    class Says(torch.nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            ran.append(self.name)
            return x

    names = ("a", "b", "c")
    net = Supernet(
        Blueprint(lambda: OneOf("op", {name: lambda name=name: Says(name) for name in names})), Softmax()
    )
    drops = dropout(0.1)
    net.filters.append(drops)
    weights = net.probabilities()["op"]
    sizes = set()
    for _ in range(30):
        ran.clear()
        y = net(torch.ones(1))
        assert y.item() == pytest.approx(sum(weights[names.index(name)].item() for name in ran))
        sizes.add(len(ran))
    assert sizes == {1, 2, 3}
