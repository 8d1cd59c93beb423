import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import CannotSearch
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.inputs import InputChoice
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.splitting import groups, split
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.constraints import Rule
from path_search_parts import BLUEPRINTS, CLASSES, Net, conv


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def times(name: str, **factors: float) -> nn.Module:
    return OneOf(name, {option: lambda f=f: Times(f) for option, f in factors.items()})


def opposed() -> nn.Module:
    """Options of `sign` turn the gradients of the stem around, those of `same` change nothing."""
    return Net(times("same", a=1.0, b=1.0, c=1.0), times("sign", plus=1.0, minus=-1.0, too=1.0, also=-1.0))


def batches(number: int = 2) -> list:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(8, 1, 8, 8, generator=generator), torch.arange(8) % CLASSES) for _ in range(number)]


def splitted(make, **options):
    return split(Supernet(Blueprint(make, **options), seed=0), batches(), np.random.default_rng(0))


def test_it_splits_where_gradients_of_shared_weights_differ():
    found = splitted(opposed)
    assert found.decision == "sign"
    assert sorted(found.parts) == [("minus", "also"), ("plus", "too")]
    assert found.agreement["same"] == pytest.approx(1, abs=1e-5)
    assert found.agreement["sign"] < 0.8
    # three and four options, each in two contexts of eight images
    assert (found.cost.forward, found.cost.backward, found.cost.samples) == (14, 14, 14 * 8)


def test_agreement_is_the_cosine_of_what_autograd_gives():
    found = splitted(lambda: Net(times("sign", plus=1.0, minus=-1.0)))
    supernet = Supernet(Blueprint(lambda: Net(times("sign", plus=1.0, minus=-1.0))), seed=0)
    cosines = []
    for x, y in batches():
        gradients = []
        for option in ("plus", "minus"):
            supernet.activate(supernet.space.validate({"sign": option}))
            loss = nn.functional.cross_entropy(supernet(x), y)
            gradients.append(
                torch.cat([g.reshape(-1) for g in torch.autograd.grad(loss, supernet.weights())])
            )
        a, b = gradients
        cosines.append(float(a @ b / (a.norm() * b.norm())))
    assert found.agreement["sign"] == pytest.approx(sum(cosines) / 2, abs=1e-5)


def test_groups_are_equally_large_and_the_least_alike_are_apart():
    agreement = np.eye(5)
    for i, j in ((0, 1), (0, 2), (1, 2), (3, 4)):
        agreement[i, j] = agreement[j, i] = 0.9
    agreement[0, 4] = agreement[4, 0] = -0.5
    assert groups(agreement) == ([0, 1, 2], [3, 4])
    assert groups(np.array([[1.0, 0.2], [0.2, 1.0]])) == ([0], [1])


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_it_leaves_the_supernet_as_it_is_and_takes_decisions_that_most_paths_have(name):
    supernet = Supernet(BLUEPRINTS[name], seed=0).train()
    before = {n: t.clone() for n, t in supernet.net.named_parameters()}
    found = split(supernet, batches(), np.random.default_rng(0))
    assert all(torch.equal(t, before[n]) for n, t in supernet.net.named_parameters())
    assert all(p.grad is None for p in supernet.weights())
    expected = {"nested": {"depth", "block0"}, "chain": {"one", "two"}, "elastic": {"width", "kernel"}}
    assert set(found.agreement) == expected[name]
    options = supernet.space.decisions[found.decision].options
    assert sorted(map(str, sum(found.parts, ()))) == sorted(map(str, options))


def test_constraints_are_kept():
    rule = Rule("equal", frozenset(["same", "sign"]), lambda v: (v["same"] == "a") == (v["sign"] == "plus"))
    assert splitted(opposed, constraints=[rule]).decision in ("same", "sign")


def test_without_a_choice_of_one_there_is_nothing_to_split():
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convs, self.pick = nn.ModuleList(conv(1) for _ in range(3)), InputChoice("in", 3, k=2)

        def forward(self, x):
            return self.pick([layer(x) for layer in self.convs])

    with pytest.raises(CannotSearch, match="this space has none"):
        splitted(lambda: Net(Pair()))
