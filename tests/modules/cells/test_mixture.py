"""The shared mixture of a cell against every operation of every edge run separately."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells import depthwise as module
from nasturtium.modules.cells.cell import Cell, Node
from nasturtium.modules.cells.depthwise import depthwise
from nasturtium.modules.choice import add
from nasturtium.modules.derive import derive
from nasturtium.oneshot.relaxations.softmax import Softmax
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.darts import PRIMITIVES as DARTS
from nasturtium.spaces.nasbench201 import PRIMITIVES as TOPOLOGY

C = 4


class Scaled(nn.Module):
    """A user's operation that nothing is known of, with a parameter and a buffer."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.scale = nn.Parameter(torch.tensor(0.7))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return (x * self.scale).sin()[:, :, :: self.stride, :: self.stride]


def biased(c: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(c, c, 3, stride, 1), nn.BatchNorm2d(c), nn.SiLU(), nn.Conv2d(c, c, 1))


USER = {"scaled": lambda c, stride: Scaled(stride), "biased": biased, "none": TOPOLOGY["none"]}
TWINS = {"skip": DARTS["skip_connect"], "again": DARTS["skip_connect"], "pool": DARTS["max_pool_3x3"]}
CELLS: dict[str, Callable[[], Cell]] = {
    "normal": lambda: Cell("c", DARTS, C, 3, null=True),
    "reduce": lambda: Cell("c", DARTS, C, 3, stride=2, null=True),
    "topology": lambda: Cell("c", TOPOLOGY, C, 3, k=None, inputs=1, output="last"),
    "user": lambda: Cell("c", USER, C, 2, stride=2),
    "twins": lambda: Cell("c", TWINS, C, 3, null=True),
    "single": lambda: Cell("c", {"sep": DARTS["sep_conv_3x3"]}, C, 2),
}


class Network(nn.Module):
    """One cell of one image, given to all its inputs at different scales."""

    def __init__(self, make: Callable[[], Cell]) -> None:
        super().__init__()
        self.cell = make()

    def forward(self, x: Tensor) -> Tensor:
        return self.cell([x * (1 + i) for i in range(self.cell.inputs)])


def separately(cell: Cell, inputs: list[Tensor]) -> Tensor:
    """The mixture, one operation of one edge after the other."""
    states = list(inputs)
    for node in cell.nodes:
        assert isinstance(node, Node)
        parts = []
        for source, edge in node.edges.items():
            gate = edge.gate(edge.decision.name)
            assert gate.weight is not None
            ops = list(edge.candidates.values())
            parts += [ops[i](states[int(source)]) * gate.weight[at] for at, i in enumerate(gate.index)]
        states.append(add(parts))
    return torch.cat(states[cell.inputs :], 1) if cell.output == "concat" else states[-1]


def supernet(name: str) -> tuple[Supernet, Tensor]:
    net = Supernet(Blueprint(lambda: Network(CELLS[name])), Softmax(), seed=1).double()
    x = torch.randn(3, C, 7, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        for i, row in enumerate(net.alphas.values()):
            row += torch.arange(len(row)) * 0.1 * (i % 3)
    return net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)


def plain(net: Supernet, monkeypatch: pytest.MonkeyPatch) -> Supernet:
    other = copy.deepcopy(net)
    monkeypatch.setattr(other.net.cell, "forward", lambda inputs: separately(other.net.cell, inputs))
    return other


def close(a: list[Tensor], b: list[Tensor]) -> None:
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_outputs_gradients_and_statistics_are_those_of_separate_operations(
    name: str, training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, x = supernet(name)
    ours(x)  # statistics that differ from the first ones
    theirs = plain(ours, monkeypatch)
    results = []
    for net in (ours, theirs):
        net.train(training)
        y = net(x)
        found = torch.autograd.grad(y.pow(3).sum(), list(net.parameters()), allow_unused=True)
        results.append([y, *(torch.zeros(()) if g is None else g for g in found), *net.buffers()])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b.expand_as(a), rtol=1e-8, atol=1e-9, check_dtype=False)


def test_memory_layout_changes_nothing() -> None:
    results = []
    for layout in (torch.channels_last, torch.contiguous_format):
        ours, x = supernet("reduce")
        y = ours.to(memory_format=layout)(x.contiguous(memory_format=layout))
        results.append([y, *torch.autograd.grad(y.pow(3).sum(), list(ours.parameters()))])
    close(*results)


@pytest.mark.parametrize("name", ["normal", "reduce", "topology"])
def test_double_backward_with_substituted_weights(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, x = supernet(name)
    results = []
    for net in (ours, plain(ours, monkeypatch)):
        alphas = list(net.alphas.values())
        weights = {n: w * 1.1 for n, w in net.net.named_parameters("net")}
        buffers = {n: b.clone() for n, b in net.named_buffers()}
        loss = functional_call(net, {**weights, **buffers}, (x,)).pow(2).mean().sin()
        first = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        results.append([*torch.autograd.grad(sum(g.pow(2).sum() for g in first), alphas), *buffers.values()])
    close(*results)


def test_single_path_is_bit_for_bit_the_derived_network() -> None:
    ours, x = supernet("normal")
    ours(x)
    arch = ours.architecture()
    network = derive(ours.net, arch).eval()
    ours.activate(arch)
    assert torch.equal(ours.eval()(x), network(x))
    assert not any(isinstance(m, Node) for m in network.modules())
    assert network.cell._lanes == {}


def test_autocast_stays_near_full_precision() -> None:
    ours, x = supernet("normal")
    ours.float()
    full = ours(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        y = ours(x.float())
    loss = y.float().pow(2).mean()
    gradients = torch.autograd.grad(loss, list(ours.parameters()))
    assert all(torch.isfinite(g).all() for g in gradients)
    assert (y.float() - full).abs().mean() < 0.05 * full.abs().mean()


def test_a_deep_copy_has_its_own_weights() -> None:
    ours, x = supernet("reduce")
    ours.eval()
    before = ours(x)
    other = copy.deepcopy(ours)
    with torch.no_grad():
        for weight in ours.weights():
            weight.mul_(1.5)
        for buffer in ours.buffers():
            buffer.mul_(3)
    assert torch.equal(other(x), before)
    assert not torch.allclose(ours(x), before)


GEOMETRIES = [
    (3, 1, 1),
    (5, 1, 2),
    (5, 1, 1),
    (3, 2, 2),
    (5, 2, 1),
    (3, 2, 1),
    (7, 1, 1),
    (3, 1, 3),
    (5, 2, 2),
]


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("size", [6, 9])
def test_depthwise_is_a_grouped_convolution(geometry: tuple[int, int, int], size: int, relu: bool) -> None:
    kernel, stride, dilation = geometry
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, C, size, size, generator=generator, dtype=torch.float64, requires_grad=True)
    w = torch.randn(C, 1, kernel, kernel, generator=generator, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel // 2)
    results = []
    for run in (
        lambda: depthwise(x, w, stride, padding, dilation, relu=relu),
        lambda: nn.functional.conv2d(x.relu() if relu else x, w, None, stride, padding, dilation, C),
    ):
        y = run()
        first = torch.autograd.grad(y.pow(3).sum(), (x, w), create_graph=True)
        results.append([y, *first, *torch.autograd.grad(sum(g.pow(2).sum() for g in first), (x, w))])
    close(*results)


@pytest.mark.parametrize("padding", [0, 1, 3])
def test_depthwise_with_less_or_more_padding_than_keeps_the_size(padding: int) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, C, 9, 7, generator=generator, dtype=torch.float64, requires_grad=True)
    w = torch.randn(C, 1, 5, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    for stride in (1, 2):
        ours = depthwise(x, w, stride, padding, 1)
        theirs = nn.functional.conv2d(x, w, None, stride, padding, 1, C)
        gradients = [torch.autograd.grad(y.pow(3).sum(), (x, w)) for y in (ours, theirs)]
        close([ours, *gradients[0]], [theirs, *gradients[1]])


def test_depthwise_computes_only_the_gradients_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for name in ("_of_input", "_of_weight"):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, name=name, real=real: (asked.append(name), real(*a))[1])
    x = torch.randn(1, C, 6, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    w = torch.ones(C, 1, 3, 3, requires_grad=True)
    torch.autograd.grad(depthwise(x * 2, w, 1, 1, 1).sum(), x)
    assert asked == ["_of_input"]
