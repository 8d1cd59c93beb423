"""A cell on a part of the channels against PC-DARTS written out plainly, one edge after the other."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.cell import Cell
from nasturtium.oneshot.relaxations.partial_channels import PartialChannels
from nasturtium.oneshot.supernet import Supernet
from nasturtium.spaces.darts import PRIMITIVES as DARTS
from nasturtium.spaces.nasbench201 import PRIMITIVES as TOPOLOGY

C, K = 8, 4
CELLS: dict[str, Callable[[], Cell]] = {
    "normal": lambda: Cell("c", DARTS, C, 3, null=True),
    "reduce": lambda: Cell("c", DARTS, C, 3, stride=2, null=True),
    "all edges": lambda: Cell("c", TOPOLOGY, C, 3, k=None, inputs=1, output="last"),
    "reduced, all edges": lambda: Cell("c", DARTS, C, 2, k=None, stride=2, output="mean"),
}


class Network(nn.Module):
    """One cell of one image, given to all its inputs at different scales."""

    def __init__(self, make: Callable[[], Cell]) -> None:
        super().__init__()
        self.cell = make()

    def forward(self, x: Tensor) -> Tensor:
        return self.cell([x * (1 + i) for i in range(self.cell.inputs)])


def supernet(name: str) -> tuple[Supernet, Tensor]:
    net = Supernet(Blueprint(lambda: Network(CELLS[name])), PartialChannels(K), seed=1).double()
    with torch.no_grad():
        for i, row in enumerate(net.alphas.values()):
            row += torch.arange(len(row)) * 0.3 * (i % 4 - 1)
    x = torch.randn(3, C, 7, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    return net.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)


def plainly(net: Supernet, x: Tensor) -> Tensor:
    """What the cell gives: nothing shared, β by its definition."""
    cell = net.net.cell
    assert isinstance(cell, Cell)
    states = [x * (1 + i) for i in range(cell.inputs)]
    for at, node in enumerate(cell.nodes, cell.inputs):
        inputs = f"c/{at}/inputs"
        beta = net.alphas[inputs].softmax(0) if inputs in net.alphas else torch.ones(at)
        state = torch.zeros(())
        for source in range(at):
            edge = node.edges[str(source)]
            p = net.alphas[f"c/{at}<-{source}"].softmax(0)
            taken, passing = states[source][:, : C // K], states[source][:, C // K :]
            mixed = sum(p[i] * op(taken) for i, op in enumerate(edge.candidates.values()))
            if mixed.shape[2] < passing.shape[2]:
                passing = nn.functional.max_pool2d(passing, 2, 2, ceil_mode=True)
            joined = torch.cat([mixed, passing], dim=1)
            b, _, h, w = joined.shape
            shuffled = joined.reshape(b, K, C // K, h, w).transpose(1, 2).reshape(b, C, h, w)
            state = state + beta[source] * shuffled
        states.append(state)
    new = states[cell.inputs :]
    return {"concat": torch.cat(new, dim=1), "mean": sum(new) / len(new), "last": new[-1]}[cell.output]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_outputs_gradients_and_statistics_are_those_of_the_plain_form(name: str, training: bool) -> None:
    ours, x = supernet(name)
    ours(x)  # statistics that differ from the first ones
    theirs = copy.deepcopy(ours)
    results = []
    for net, run in ((ours, ours), (theirs, lambda x: plainly(theirs, x))):
        net.train(training)
        y = run(x)
        found = torch.autograd.grad(y.pow(3).sum(), list(net.parameters()), allow_unused=True)
        results.append([y, *(torch.zeros(()) if g is None else g for g in found), *net.net.buffers()])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b.expand_as(a), rtol=1e-8, atol=1e-9, check_dtype=False)


def test_the_mixture_is_that_of_edges_by_themselves() -> None:
    """`Node.forward` runs each `Edge`, as cells of other kinds do."""
    ours, x = supernet("reduce")
    found = ours(x)
    cell = ours.net.cell
    states = [x, 2 * x]
    for node in cell.nodes:
        states.append(node(states))
    torch.testing.assert_close(found, torch.cat(states[2:], dim=1), rtol=1e-8, atol=1e-9)


def test_states_stay_in_the_fast_memory_layout() -> None:
    ours, x = supernet("normal")
    assert ours(x).is_contiguous(memory_format=torch.channels_last)


def test_operations_hold_a_sixteenth_of_the_pointwise_weights() -> None:
    sizes = []
    for part in (1, K):
        relaxation = PartialChannels(part)
        net = Supernet(Blueprint(lambda: Network(CELLS["normal"])), relaxation, seed=1)
        sizes.append(sum(w.numel() for w in net.weights() if w.dim() == 4 and w.shape[1] > 1))
    assert sizes[0] == K * K * sizes[1] > 0
