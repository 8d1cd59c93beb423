import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nasturtium.modules.blocks.dense import resize_as
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.trellis import Trellis, neighbours, path_of, path_values, tap
from nasturtium.modules.choice import Gate
from nasturtium.modules.derive import derive
from nasturtium.modules.one_of import OneOf
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import ALWAYS

STRIDES = (1, 2, 4)
LAYERS = 4


class Entry(nn.Module):
    def __init__(self, source, stride):
        super().__init__()
        self.conv = nn.Conv2d(source, stride, 1, stride=2 if source < stride else 1, bias=False)
        self.up = source > stride

    def forward(self, x, like):
        return self.conv(resize_as(x, like) if self.up else x)


class Before(nn.Module):
    def __init__(self, source, stride):
        super().__init__()
        self.conv = nn.Conv2d(source, stride, 1, bias=False)

    def forward(self, x, like):
        return self.conv(resize_as(x, like))


class Body(nn.Module):
    def __init__(self, stride):
        super().__init__()
        self.act = OneOf("act", {"tanh": nn.Tanh, "relu": nn.ReLU})
        self.conv = nn.Conv2d(stride, stride, 3, padding=1, bias=False)

    def forward(self, states):
        return self.act(self.conv(states[0]) + 2 * states[1])


class Parts:
    """A tensor at stride s has s channels. Zeros stay zeros, so that what has no weight adds nothing."""

    def body(self, layer, stride):
        return Body(stride)

    def previous(self, layer, source, stride):
        return Entry(source, stride)

    def before(self, layer, source, stride):
        return Before(source, stride)

    def skip(self, layer):
        return nn.Conv2d(1, 1, 1, bias=False)

    def end(self, stride):
        return Before(stride, 1)


class Network(nn.Module):
    def __init__(self, layers=LAYERS):
        super().__init__()
        self.path = Trellis("path", STRIDES, layers, Parts())

    def forward(self, x):
        low, deep = self.path(x.sin(), x)
        return torch.cat([low, deep], dim=1)


def every_path(layers):
    steps = itertools.product(STRIDES, repeat=layers)
    return [
        (1, *path)
        for path in steps
        if all(abs(STRIDES.index(a) - STRIDES.index(b)) < 2 for a, b in itertools.pairwise((1, *path)))
    ]


@pytest.mark.parametrize("layers", [1, 2, 3, 4, 5])
def test_the_space_holds_every_path_once(layers):
    space = Blueprint(lambda: Network(layers)).space
    assert space.size() == 2 * len(every_path(layers))
    found = [path_of(arch, "path", 1, layers) for arch in space.enumerate() if arch["act"] == "relu"]
    assert sorted(found) == sorted(every_path(layers))


def test_a_path_is_its_decisions():
    path = (1, 2, 4, 4, 2)
    values = path_values("path", path)
    assert values == {"path/0/1": 2, "path/1/2": 4, "path/2/4": 4, "path/3/4": 2}
    assert path_of(Architecture(values), "path", 1, LAYERS) == path
    assert Architecture({**values, "act": "relu"}) in Blueprint(Network).space


def test_a_decision_is_made_where_the_path_comes_and_those_of_bodies_always():
    space = Blueprint(Network).space
    assert space.conditions["act"] == space.conditions["path/0/1"] == ALWAYS
    assert len(space.conditions["path/2/2"]) == 2  # from 1 and 2; nothing is at 4 after one layer
    reason = space.why_not({**path_values("path", (1, 1, 1, 1, 1)), "act": "relu", "path/1/2": 1})
    assert reason == "decision 'path/1/2' is given but switched off: it needs path/0/1 in {2}"
    assert "path/1/4" not in space.decisions
    assert "path/4/1" not in space.decisions


def test_changed_paths_are_paths():
    space, rng = Blueprint(Network).space, np.random.default_rng(0)
    arch = space.sample(rng)
    for _ in range(50):
        arch = space.crossover(space.mutate(arch, rng), space.sample(rng), rng)
        assert space.why_not(arch) is None


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_a_path_of_the_mixture_the_derived_path_and_a_loop_agree(size):
    supernet = Supernet(Blueprint(Network), seed=1).eval()
    x = torch.randn(2, 1, *size)
    for path in every_path(LAYERS)[::3]:
        arch = Architecture({**path_values("path", path), "act": "tanh"})
        supernet.activate(arch)
        expected = by_hand(supernet.net.path, path, x)
        assert torch.equal(supernet(x), expected)
        assert torch.equal(derive(supernet.net, arch)(x), expected)


def by_hand(trellis, path, x):
    states, sizes = [x.sin(), x], {1: x}
    for layer, (source, stride) in enumerate(itertools.pairwise(path), 1):
        stop = trellis.stops[f"{layer}_{stride}"]
        like = sizes.get(stride, states[-1])
        y = stop.previous[str(source)](states[-1], like)
        z = stop.before[str(path[max(layer - 2, 0)])](states[-2], y)
        states.append(torch.tanh(stop.body.conv(z) + 2 * y))
        sizes.setdefault(stride, states[-1])
    low = trellis.skips[str(tap(path))](states[1 + tap(path)])
    return torch.cat([low, trellis.ends[str(path[-1])](states[-1], x)], dim=1)


def test_a_mixture_with_all_weight_on_one_path_is_that_path():
    supernet = Supernet(Blueprint(Network), seed=1).eval()
    x = torch.randn(2, 1, 8, 8)
    for path in every_path(LAYERS)[::7]:
        arch = Architecture({**path_values("path", path), "act": "tanh"})
        supernet.activate(arch)
        alone = supernet(x)
        board = {"act": Gate((0,))}
        for name, decision in supernet.space.decisions.items():
            if name.startswith("path/"):
                wanted = arch.get(name, decision.options[0])
                hot = torch.tensor([float(option == wanted) for option in decision.options])
                board[name] = Gate(tuple(range(len(hot))), hot)
        net = copy.deepcopy(supernet.net)
        for module in net.modules():
            if hasattr(module, "connect"):
                module.connect(board)
        torch.testing.assert_close(net(x), alone)


def test_a_mixture_teaches_every_transition():
    supernet = Supernet(Blueprint(Network), Softmax(), seed=1)
    F.mse_loss(supernet(torch.randn(2, 1, 8, 8)), torch.zeros(2, 2, 8, 8)).backward()
    assert {name for name, alpha in supernet.alphas.items() if alpha.grad.abs().sum() > 0} == set(
        supernet.space.decisions
    )


def test_a_built_path_holds_its_own_layers_only():
    path = (1, 2, 4, 2, 2)
    net = Blueprint(Network).build(Architecture({**path_values("path", path), "act": "relu"}), seed=0)
    assert [layer.body.conv.in_channels for layer in net.path.layers] == [2, 4, 2, 2]
    assert [layer.previous.up for layer in net.path.layers] == [False, False, True, False]
    assert net.path.tap == 0


@pytest.mark.parametrize(("path", "layer"), [((1, 2, 1), 0), ((1, 1, 2, 1), 1), ((1, 1, 1), 2)])
def test_the_tap_is_before_the_first_leave(path, layer):
    assert tap(path) == layer


def test_neighbours_stay_inside():
    assert [neighbours(s, STRIDES) for s in STRIDES] == [(1, 2), (1, 2, 4), (2, 4)]
