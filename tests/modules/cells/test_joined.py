from collections.abc import Mapping
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.cells.joined import Concat, Join, JoinedConv2d, JoinedLinear, Output
from nasturtium.modules.choice import Building, Gate, Undecided, building
from nasturtium.modules.derive import derive
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value

WIDTH = 2


@dataclass(frozen=True)
class Pick:
    """Of four states the first, and each other one whose bit is set."""

    count: int = 4

    def decisions(self) -> tuple[Decision, ...]:
        return tuple(Decision(f"take{i}", (0, 1)) for i in range(1, self.count))

    def states(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        return (0, *(i for i in range(1, self.count) if values[f"take{i}"] == 1))


def chosen(*bits: int) -> Architecture:
    return Architecture({f"take{i}": bit for i, bit in enumerate(bits, start=1)})


def run(layer: nn.Module, arch: Architecture, x):
    layer.connect({name: Gate((int(value),)) for name, value in arch.items()})
    with torch.no_grad():
        return layer(x)


def states() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(3, WIDTH, 5, 5, generator=generator) for _ in range(4)]


ARCHS = [chosen(0, 0, 0), chosen(1, 0, 1), chosen(0, 1, 0), chosen(1, 1, 1)]


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("stride", [1, 2])
def test_a_convolution_is_that_of_all_states_with_the_others_zero(arch, stride):
    layer = JoinedConv2d(Pick(), WIDTH, 6, stride)
    kept = Pick().states(arch)
    joined = torch.cat([states()[i] for i in kept], dim=1)
    padded = torch.cat([state * (i in kept) for i, state in enumerate(states())], dim=1)
    expected = nn.functional.conv2d(padded, layer.weight, stride=stride)
    torch.testing.assert_close(run(layer, arch, joined), expected)
    plain = derive(layer, arch)
    assert type(plain) is nn.Conv2d
    assert plain.in_channels == WIDTH * len(kept)
    torch.testing.assert_close(plain(joined), expected)


@pytest.mark.parametrize("arch", ARCHS)
def test_a_linear_layer_is_that_of_all_states_with_the_others_zero(arch):
    layer = JoinedLinear(Pick(), WIDTH, 6)
    kept = Pick().states(arch)
    pooled = [state.mean((2, 3)) for state in states()]
    joined = torch.cat([pooled[i] for i in kept], dim=1)
    expected = layer.bias + torch.cat([p * (i in kept) for i, p in enumerate(pooled)], dim=1) @ layer.weight.T
    torch.testing.assert_close(run(layer, arch, joined), expected)
    plain = derive(layer, arch)
    assert type(plain) is nn.Linear
    assert plain.in_features == WIDTH * len(kept)
    torch.testing.assert_close(plain(joined), expected)


def test_only_the_joined_columns_are_built_for_one_architecture():
    with building(Building(chosen(0, 1, 0))):
        assert JoinedConv2d(Pick(), WIDTH, 6).weight.shape == (6, 2 * WIDTH, 1, 1)
        assert JoinedLinear(Pick(), WIDTH, 6).weight.shape == (6, 2 * WIDTH)
        fits = Join(Pick(), {1: nn.ReLU, 2: nn.ReLU}).fits
    assert list(fits) == ["2"]


def test_states_are_joined_in_order_and_fitted_before():
    join = Join(Pick(), {1: nn.ReLU, 2: nn.ReLU})
    x = states()
    expected = torch.cat([x[0], x[2].relu(), x[3]], dim=1)
    arch = chosen(0, 1, 1)
    assert torch.equal(run(join, arch, x), expected)
    plain = derive(join, arch)
    assert isinstance(plain, Concat)
    assert torch.equal(plain(x), expected)
    assert len(plain.fits) == 1


def test_a_mixture_is_refused_by_name():
    layer = JoinedConv2d(Pick(), WIDTH, 6)
    layer.connect({f"take{i}": Gate((0, 1), torch.ones(2) / 2) for i in (1, 2, 3)})
    with pytest.raises(UsageError, match="JoinedConv2d needs one option of 'take1' but got a mixture of 2"):
        layer(torch.cat(states(), dim=1))


def test_outside_a_supernet_it_is_undecided():
    with pytest.raises(Undecided, match="'take1' of this Join is undecided"):
        Join(Pick())(states())


def test_an_output_makes_the_layers_that_take_it():
    assert type(Output(4).conv(6)) is nn.Conv2d
    assert type(Output(4).linear(6)) is nn.Linear
    assert Output(4).conv(6, 2).stride == (2, 2)
    assert isinstance(Output(4, Pick()).conv(6), JoinedConv2d)
    assert isinstance(Output(4, Pick()).linear(6), JoinedLinear)
