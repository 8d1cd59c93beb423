import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Gate
from nasturtium.modules.derive import derive
from nasturtium.modules.sum_over import SumOfParts, SumOver
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision

USES = [Decision(f"use{i}", ("no", "yes")) for i in range(3)]


def pick(values):
    """All pairs of used states in order, and the first state in any case."""
    used = [i for i in range(3) if values[f"use{i}"] == "yes"]
    return [(0,)] + [(i, j) for i in used for j in used if i < j]


class Part(nn.Module):
    def __init__(self, key):
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self.key = key

    def forward(self, *states):
        assert len(states) == len(self.key)
        return self.linear(sum(states))


def make():
    return SumOver(USES, pick, Part, [(0,), (0, 1), (0, 2), (1, 2)])


@pytest.mark.parametrize(
    ("uses", "keys"), [("nnn", [(0,)]), ("yny", [(0,), (0, 2)]), ("yyy", [(0,), (0, 1), (0, 2), (1, 2)])]
)
def test_the_picked_parts_are_added(uses, keys):
    blueprint = Blueprint(make)
    arch = Architecture({f"use{i}": {"n": "no", "y": "yes"}[use] for i, use in enumerate(uses)})
    supernet = Supernet(blueprint, seed=0)
    supernet.activate(arch)
    states = [torch.randn(3, 4) for _ in range(3)]
    plain = derive(supernet.net, arch)
    assert isinstance(plain, SumOfParts)
    assert [part.key for part in plain.parts] == keys
    assert [part.key for part in blueprint.build(arch, seed=0).parts] == keys
    expected = sum(part(*(states[i] for i in part.key)) for part in plain.parts)
    assert torch.equal(supernet(states), plain(states))
    torch.testing.assert_close(plain(states), expected)


def test_a_mixture_is_refused_with_the_decision():
    summed = make()
    summed.connect({decision.name: Gate((0, 1), torch.tensor([0.5, 0.5])) for decision in USES})
    with pytest.raises(UsageError, match="SumOver needs one option of 'use0' but got a mixture of 2"):
        summed([torch.randn(3, 4)] * 3)
