"""A cell: nodes that add up edges from the cell's inputs and from earlier nodes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nasturtium.modules.choice import Choice, Gate, add, current
from nasturtium.modules.edge import Edge, OpFactory
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, members


class Cell(nn.Module):
    """A directed acyclic graph whose edges are operations, numbered inputs first, then nodes.

    Node `i` adds edges from `k` of the earlier states (decision `<name>/<i>/inputs`), or from all of them
    (`k` None); the edge from state `j` is decision `<name>/<i><-<j>`. Cells of the same name share their
    structure. With `stride` 2 the edges from the cell's inputs reduce the image. The output is all nodes
    concatenated along channels, or the last one.
    """

    def __init__(
        self,
        name: str,
        ops: Mapping[str, OpFactory],
        channels: int,
        nodes: int,
        *,
        k: int | None = 2,
        inputs: int = 2,
        stride: int = 1,
        null: bool = False,
        output: Literal["concat", "last"] = "concat",
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.output = output

        def edge(node: int, source: int) -> Edge:
            return Edge(
                f"{name}/{node}<-{source}", ops, channels, stride if source < inputs else 1, null=null
            )

        self.nodes = nn.ModuleList(
            Node(name, i, edge, None if k is None else min(k, i)) for i in range(inputs, inputs + nodes)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """`inputs` are tensors B×C×H×W; returns B×(nodes·C)×H'×W', or B×C×H'×W' for the last node."""
        states = [inputs[i] for i in range(self.inputs)]
        for node in self.nodes:
            states.append(node(states))
        return torch.cat(states[self.inputs :], dim=1) if self.output == "concat" else states[-1]


class Node(Choice):
    """Adds edges from `k` of the `n` earlier states, or from all of them (`k` None)."""

    def __init__(self, cell: str, n: int, edge: Callable[[int, int], Edge], k: int | None) -> None:
        super().__init__()
        self.decision = None if k is None else Decision(f"{cell}/{n}/inputs", tuple(range(n)), k=k, many=True)
        self.n = n
        arch = current().arch
        sources = range(n) if arch is None or self.decision is None else members(arch[self.decision.name])
        self.edges = nn.ModuleDict({str(j): edge(n, int(j)) for j in sources})

    def decisions(self) -> tuple[Decision, ...]:
        """Which earlier states, unless all of them."""
        return () if self.decision is None else (self.decision,)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """Each edge under the choice of its source."""
        for source, edge in self.edges.items():
            yield None if self.decision is None else When(self.decision.name, frozenset([int(source)])), edge

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The chosen edges only."""
        sources = range(self.n) if self.decision is None else members(arch[self.decision.name])
        return Sum({int(j): inner(self.edges[str(j)]) for j in sources})

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the nodes so far, B×C×H×W each."""
        gate = Gate(tuple(range(self.n))) if self.decision is None else self.gate(self.decision.name)
        outputs = [self.edges[str(j)](states[j]) for j in gate.index]
        if gate.weight is not None:
            outputs = [y * gate.weight[at] for at, y in enumerate(outputs)]
        return add(outputs)


class Sum(nn.Module):
    """A node of a derived cell:

    adds what its edges make of earlier states, dropping whole edges in training.
    """

    def __init__(self, edges: Mapping[int, nn.Module]) -> None:
        super().__init__()
        self.sources = tuple(edges)
        self.edges = nn.ModuleList(edges.values())
        self.drop_path = DropPath()

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the nodes so far, B×C×H×W each."""
        outputs = []
        for source, edge in zip(self.sources, self.edges, strict=True):
            y = edge(states[source])
            outputs.append(y if isinstance(edge, nn.Identity) else self.drop_path(y))
        return add(outputs)


class DropPath(nn.Module):
    """Zeroes whole examples in training and scales up the rest (Larsson et al. 2017,
    https://arxiv.org/abs/1605.07648).

    The trainer sets `drop_path_probability`; it starts at 0.
    """

    drop_path_probability = 0.0

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape as the input; the input itself in evaluation."""
        if not self.training or self.drop_path_probability == 0.0:
            return x_BCHW
        keep = 1.0 - self.drop_path_probability
        return x_BCHW * (x_BCHW.new_empty(x_BCHW.shape[0], 1, 1, 1).bernoulli_(keep) / keep)
