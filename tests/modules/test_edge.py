import copy

import pytest
import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.modules.derive import derive
from nasturtium.modules.edge import Edge, SkipDropout
from nasturtium.modules.ops import OPS, FactorizedReduce
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture

OPERATIONS = {name: OPS.get(name) for name in ("skip_connect", "nor_conv_1x1", "none")}
RATE = 0.3


def dropping(rate: float = RATE, *, seed: int = 0) -> SkipDropout:
    skip = SkipDropout(torch.Generator().manual_seed(seed))
    skip.rate = rate
    return skip


def test_elements_are_zero_or_scaled_up_at_the_rate_and_the_mean_is_kept() -> None:
    x = torch.full((40, 5, 10, 10), 2.0).contiguous(memory_format=torch.channels_last)
    y = dropping()(x)
    assert y.unique().tolist() == pytest.approx([0.0, 2 / (1 - RATE)])
    error = 5 * (RATE * (1 - RATE) / x.numel()) ** 0.5  # five binomial standard errors
    assert (y == 0).float().mean().item() == pytest.approx(RATE, abs=error)
    assert y.mean().item() == pytest.approx(2.0, abs=2 * error / (1 - RATE))
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_elements_are_dropped_one_by_one_and_anew_each_time() -> None:
    skip, x = dropping(), torch.ones(8, 3, 6, 6)
    first, second = skip(x) == 0, skip(x) == 0
    assert not torch.equal(first, second)
    assert first.flatten(2).float().mean(2).unique().numel() > 2  # neither whole images nor whole channels


def test_the_generator_alone_decides() -> None:
    x = torch.ones(2, 3, 4, 4)
    one, same, other = dropping(), dropping(), dropping(seed=1)
    expected = one(x)
    torch.rand(3)
    assert torch.equal(same(x), expected)
    assert not torch.equal(other(x), expected)


def test_the_memory_layout_decides_nothing() -> None:
    x = torch.rand(2, 3, 4, 4)
    assert torch.equal(dropping()(x), dropping()(x.contiguous(memory_format=torch.channels_last)))


def test_it_is_an_identity_in_evaluation_and_at_rate_zero() -> None:
    x = torch.ones(2, 3, 4, 4)
    assert dropping(0.0)(x) is x
    assert dropping().eval()(x) is x


def supernet(*, skip_dropout: bool = True, stride: int = 1) -> Supernet:
    def make() -> nn.Module:
        return Edge("op", OPERATIONS, 4, stride)

    return Supernet(Blueprint(make), Softmax(), skip_dropout=skip_dropout)


def test_only_identities_can_drop_and_only_where_it_was_asked_for() -> None:
    assert len(supernet().skip_dropouts()) == 1
    assert supernet(skip_dropout=False).skip_dropouts() == []
    reducing = supernet(stride=2)
    assert reducing.skip_dropouts() == []
    assert isinstance(reducing.net.candidate("skip_connect"), FactorizedReduce)


def test_a_derived_network_has_none_of_it() -> None:
    net = supernet()
    net.set_skip_dropout(RATE)
    arch = Architecture({"op": "skip_connect"})
    assert type(derive(net.net, arch)) is nn.Identity
    assert type(Blueprint(lambda: Edge("op", OPERATIONS, 4)).build(arch, 0)) is nn.Identity
    assert isinstance(net.net.candidate("skip_connect"), SkipDropout)


class OneEdge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = Cell("c", OPERATIONS, 4, 1, k=None, inputs=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.cell([x])


def test_in_the_mixture_of_a_cell_the_dropped_identity_is_weighted() -> None:
    net = Supernet(Blueprint(OneEdge), Softmax(), skip_dropout=True)
    x = 1 + torch.rand(4, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    weight = net.probabilities()["c/1<-0"][0]
    rest = net(x) - weight * x  # what the other operations give
    net.set_skip_dropout(RATE)
    ratio = (net(x) - rest) / (weight * x)
    dropped, kept = ratio.abs() < 1e-4, (ratio - 1 / (1 - RATE)).abs() < 1e-4
    assert (dropped | kept).all()
    assert dropped.any()
    assert kept.any()


def test_a_copy_draws_what_the_original_does() -> None:
    net = supernet()
    net.set_skip_dropout(RATE)
    x = torch.rand(2, 4, 4, 4)
    twin = copy.deepcopy(net)
    assert torch.equal(net(x), twin(x))
    state = net.state_dict()
    expected = net(x)
    twin(torch.rand(5, 4, 4, 4))
    twin(x)
    twin.load_state_dict(state)
    assert torch.equal(twin(x), expected)
