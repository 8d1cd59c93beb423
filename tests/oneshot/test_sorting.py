"""Hidden channels in the order of their importance."""

import numpy as np
import pytest
import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.mbconv import inverted, residual
from nasturtium.modules.blocks.squeeze_excite import SqueezeExcite
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.dims import Dim, derived
from nasturtium.modules.elastic.attention import Attention
from nasturtium.modules.elastic.linear import ElasticLinear
from nasturtium.oneshot.sorting import sort_channels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace
from nasturtium.spaces.base import SPACES, make_space
from trained_norms import as_trained

TIMES = Dim("times", (1, 2, 3))


def block() -> nn.Module:
    """An inverted residual block between 4 channels, with squeeze-and-excitation."""
    middle = derived(lambda n: 4 * n, TIMES, hidden=True)
    reduced = derived(lambda wide: wide // 2, middle, hidden=True)
    excite = SqueezeExcite(middle, reduced)
    return residual(
        inverted(4, middle, 4, Dim("kernel", (3, 5)), excite=excite, kernel_transforms=True), 4, 4, 1
    )


def arch(times: int) -> Architecture:
    return Architecture({"times": times, "kernel": 3})


def outputs(supernet: Supernet, arch: Architecture, *inputs: torch.Tensor) -> torch.Tensor:
    supernet.activate(arch)
    with torch.no_grad():
        return supernet.eval()(*inputs)


def opened(space: SearchSpace, *times: int) -> SearchSpace:
    return space.restrict({"times": times})


@pytest.mark.parametrize(("trained", "same", "changed"), [((3,), [3], [2, 1]), ((2, 3), [3, 2], [1])])
def test_what_was_trained_computes_what_it_did_and_smaller_ones_something_else(trained, same, changed):
    supernet = Supernet(Blueprint(block), seed=1)
    as_trained(supernet.net)
    x = torch.rand(2, 4, 6, 6)
    before = {n: outputs(supernet, arch(n), x) for n in TIMES.options}
    sort_channels(supernet.net, opened(supernet.space, *trained))
    for n in same:
        torch.testing.assert_close(outputs(supernet, arch(n), x), before[n], rtol=1e-5, atol=1e-5)
    for n in changed:
        assert not torch.allclose(outputs(supernet, arch(n), x), before[n], atol=1e-3)


def test_the_channels_that_are_read_with_the_largest_weights_come_first():
    hidden = derived(lambda n: n, TIMES, hidden=True)
    supernet = Supernet(Blueprint(lambda: nn.Sequential(ElasticLinear(1, hidden), ElasticLinear(hidden, 2))))
    first, second = supernet.net
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        first.bias.copy_(torch.tensor([10.0, 20.0, 30.0]))
        second.weight.copy_(torch.tensor([[0.0, -4.0, 1.0], [1.0, 0.0, 1.0]]))  # L1 norms 1, 4, 2
    sort_channels(supernet.net, opened(supernet.space, 3))
    assert first.weight.flatten().tolist() == [2, 3, 1]
    assert first.bias.tolist() == [20, 30, 10]
    assert second.weight.tolist() == [[-4, 1, 0], [0, 1, 1]]


def test_channels_beyond_the_narrowest_trained_width_stay_where_they_are():
    hidden = derived(lambda n: n, TIMES, hidden=True)
    supernet = Supernet(Blueprint(lambda: nn.Sequential(ElasticLinear(1, hidden), ElasticLinear(hidden, 1))))
    with torch.no_grad():
        supernet.net[0].weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        supernet.net[1].weight.copy_(torch.tensor([[1.0, 2.0, 3.0]]))
    sort_channels(supernet.net, opened(supernet.space, 2, 3))
    assert supernet.net[0].weight.flatten().tolist() == [2, 1, 3]
    assert supernet.net[1].weight.flatten().tolist() == [2, 1, 3]


def test_widths_that_others_see_are_left_alone():
    width = Dim("width", (2, 4))
    supernet = Supernet(Blueprint(lambda: nn.Sequential(ElasticLinear(3, width), ElasticLinear(width, 2))))
    before = [p.clone() for p in supernet.weights()]
    sort_channels(supernet.net, supernet.space.restrict({"width": (4,)}))
    assert all(torch.equal(a, b) for a, b in zip(before, supernet.weights(), strict=True))


def test_channels_that_belong_to_heads_are_refused():
    heads = derived(lambda n: n, Dim("heads", (1, 2)), hidden=True)
    supernet = Supernet(Blueprint(lambda: Attention(4, heads, head_width=2)))
    with pytest.raises(UsageError, match="ElasticHeads has a hidden size of 'heads'.*leave out hidden=True"):
        sort_channels(supernet.net, supernet.space)


@pytest.mark.parametrize(
    "name",
    [
        "once-for-all",
        "mobilenetv3",
        "mnasnet",
        "efficientnet",
        "autoformer-tiny",
        "tabular-mlp",
        "language-model",
    ],
)
def test_published_spaces_keep_the_function_of_what_was_trained(name):
    """Whatever is hidden in them; `trained` has all widths but the smallest of each."""
    entry = SPACES.get(name)
    blueprint = make_space(
        name, entry.small_shape, entry.classes if entry.gives == "tokens" else 5, entry.small
    )
    supernet = Supernet(blueprint, seed=3)
    as_trained(supernet.net)
    dims = {d.name: d.options for d in supernet.space.decisions.values() if d.ordered and len(d.options) > 1}
    trained = supernet.space.restrict({name: options[1:] for name, options in dims.items()})
    rng, inputs = np.random.default_rng(0), blueprint.inputs(2)
    archs = [trained.sample(rng) for _ in range(3)]
    before, weights = [outputs(supernet, a, *inputs) for a in archs], [p.clone() for p in supernet.weights()]
    sort_channels(supernet.net, trained)
    assert not all(torch.equal(a, b) for a, b in zip(weights, supernet.weights(), strict=True))
    for a, expected in zip(archs, before, strict=True):
        torch.testing.assert_close(outputs(supernet, a, *inputs), expected, rtol=1e-4, atol=1e-5)
