import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice, Gate
from nasturtium.modules.derive import derive
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.switch import Switch
from nasturtium.modules.walk import space_of
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import active
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision

A, B = Decision("width/a", (2, 3), ordered=True), Decision("width/b", (2, 3, 5), ordered=True)
PAIRS = [(a, b) for a in A.options for b in B.options if a <= b]


class Chain(nn.Module):
    """Two layers whose weights depend on the widths on either side, the second with an activation to choose
    where its width grows."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Switch([A], {(a,): lambda a=a: nn.Linear(4, a) for a in A.options})
        self.second = Switch([A, B], {pair: lambda pair=pair: self.layer(*pair) for pair in PAIRS})

    def layer(self, a: int, b: int) -> nn.Module:
        linear = nn.Linear(a, b)
        if a == b:
            return linear
        return nn.Sequential(linear, OneOf("act", {"relu": nn.ReLU, "tanh": nn.Tanh}))

    def forward(self, x):
        return self.second(self.first(x))


def blueprint():
    grows = Rule("widths do not shrink", frozenset([A.name, B.name]), lambda v: v[A.name] <= v[B.name])
    return Blueprint(Chain, constraints=[grows])


def test_a_candidate_is_under_all_its_values():
    space = space_of(Chain())
    for a, b in PAIRS:
        assert active(space.conditions["act"], {"width/a": a, "width/b": b}) == (a != b)
    assert blueprint().space.size() == 2 + 2 * 3


def test_each_path_equals_its_derived_network():
    supernet = Supernet(blueprint(), seed=0)
    x = torch.randn(3, 4)
    for arch in blueprint().space.enumerate():
        supernet.activate(arch)
        plain, built = derive(supernet.net, arch), blueprint().build(arch, seed=0)
        assert torch.equal(plain(x), supernet(x))
        assert plain(x).shape == built(x).shape == (3, arch["width/b"])
        assert str(plain) == str(built)
        assert not any(isinstance(module, Choice) for module in plain.modules())


def test_only_the_candidate_of_an_architecture_is_built():
    made = []

    def make(a: int) -> nn.Module:
        made.append(a)
        return nn.Linear(4, a)

    switch = Blueprint(lambda: Switch([A], {(a,): lambda a=a: make(a) for a in A.options}))
    switch.space  # noqa: B018 - looks at all
    made.clear()
    switch.build(Architecture({"width/a": 3}), seed=0)
    assert made == [3]


def test_a_mixture_is_refused_by_name():
    with pytest.raises(UsageError, match="Switch needs one option of 'width/a'"):
        Supernet(blueprint(), Softmax())
    switch = Switch([A], {(a,): lambda a=a: nn.Linear(4, a) for a in A.options})
    switch.connect({"width/a": Gate((0, 1), torch.ones(2))})
    with pytest.raises(UsageError, match="Switch needs one option of 'width/a' but got a mixture of 2"):
        switch(torch.randn(1, 4))
