"""A cell: nodes that add up edges from the cell's inputs and from earlier nodes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nasturtium.modules.cells.mixture import Lane, lane, spread
from nasturtium.modules.choice import Choice, Gate, add, current, idling, mix
from nasturtium.modules.edge import Edge, OpFactory
from nasturtium.modules.partial import shuffle, split
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, members


class Cell(nn.Module):
    """A directed acyclic graph whose edges are operations, numbered inputs first, then nodes.

    Node `i` adds edges from `k` of the earlier states (decision `<name>/<i>/inputs`), or from all of them
    (`k` None); the edge from state `j` is decision `<name>/<i><-<j>`. Cells of the same name share their
    structure. With `stride` 2 the edges from the cell's inputs reduce the image. The output is all nodes
    concatenated along channels, their mean, or the last one.
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
        output: Literal["concat", "mean", "last"] = "concat",
    ) -> None:
        super().__init__()
        self.inputs = inputs
        self.stride = stride
        self.output = output
        self.part = current().part
        self._lanes: dict[nn.Module, Lane] = {}

        def edge(node: int, source: int) -> Edge:
            return Edge(
                f"{name}/{node}<-{source}", ops, channels, stride if source < inputs else 1, null=null
            )

        self.nodes = nn.ModuleList(
            Node(name, i, edge, None if k is None else min(k, i)) for i in range(inputs, inputs + nodes)
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """`inputs` are tensors B×C×H×W; returns B×(nodes·C)×H'×W' concatenated, else B×C×H'×W'."""
        states = [inputs[i] for i in range(self.inputs)]
        if any(isinstance(node, Node) and node.mixes() for node in self.nodes):
            self._mix(states)
        else:
            for node in self.nodes:
                states.append(node(states))
        if self.output == "concat":
            return torch.cat(states[self.inputs :], dim=1)
        if self.output == "mean":
            return add(states[self.inputs :]) / len(self.nodes)
        return states[-1]

    def _mix(self, states: list[Tensor]) -> None:
        """Append the nodes; the edges that leave one state are run together."""
        leaving: dict[int, list[Lane]] = {}
        resting: dict[int, list[tuple[nn.Module, int, int]]] = {}  # idle operations, their node and weight
        rows: list[Tensor] = []
        count = 0
        for at, node in enumerate(self.nodes, self.inputs):
            assert isinstance(node, Node)
            for source, ops, weights, idle in node.weighted(states[0]):
                for i, op in enumerate(ops):
                    if i in idle:
                        resting.setdefault(source, []).append((op, at, count + i))
                        continue
                    if op not in self._lanes:
                        self._lanes[op] = lane(op, at)
                    if not (len(ops) > 1 and getattr(op, "outputs_zero", False)):
                        leaving.setdefault(source, []).append(self._lanes[op].weighted(count + i))
                rows.append(weights)
                count += len(ops)
        weights = torch.cat(rows)
        arrived: dict[int, list[Tensor]] = {}
        rests: list[Tensor] = []  # of each state, the channels that no operation takes
        for source in range(self.inputs + len(self.nodes)):
            if source >= self.inputs:
                states.append(self._join(source, add(arrived.pop(source)), rests))
            x = states[source]
            if self.part > 1:
                x, rest = split(x, self.part, self.stride if source < self.inputs else 1)
                rests.append(rest)
            if source in leaving:
                for at, y in spread(x, leaving[source], weights).items():
                    arrived.setdefault(at, []).append(y)
            for op, at, weight in resting.get(source, ()):
                arrived.setdefault(at, []).append(idling(op, x) * weights[weight])

    def _join(self, at: int, mixed: Tensor, rests: Sequence[Tensor]) -> Tensor:
        """The state of a node, of what operations made and what passed them by."""
        if self.part == 1:
            return mixed
        node = self.nodes[at - self.inputs]
        assert isinstance(node, Node)
        return shuffle(mixed, node.total(rests.__getitem__), self.part)

    def __getstate__(self) -> dict[str, Any]:
        # what is known of the operations is found out again; a derived cell must not keep them
        return {**self.__dict__, "_lanes": {}}


class Node(Choice):
    """Adds edges from `k` of the `n` earlier states, or from all of them (`k` None); `edge(node, source)`
    makes one. Only `Edge`s can be run together by a `Cell`.
    """

    def __init__(self, cell: str, n: int, edge: Callable[[int, int], nn.Module], k: int | None) -> None:
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

    def _gate(self) -> Gate:
        return Gate(tuple(range(self.n))) if self.decision is None else self.gate(self.decision.name)

    def mixes(self) -> bool:
        """Whether anything here has a weight."""
        gates = [self._gate(), *(edge.gate(edge.decision.name) for edge in self._chosen().values())]
        return any(gate.weight is not None for gate in gates)

    def _chosen(self) -> dict[int, Edge]:
        edges = {}
        for source in self._gate().index:
            edge = self.edges[str(source)]
            assert isinstance(edge, Edge)
            edges[source] = edge
        return edges

    def weighted(self, like: Tensor) -> Iterator[tuple[int, list[nn.Module], Tensor, set[int]]]:
        """Per edge: its source, the operations that run, their weights (1 without a gate's) times its own,
        and the positions of those that are idle.
        """
        gate = self._gate()
        for at, (source, edge) in enumerate(self._chosen().items()):
            inner = edge.gate(edge.decision.name)
            ops = [edge.candidate(edge.decision.options[i]) for i in inner.index]
            weights = inner.weight
            if weights is None:
                weights = torch.ones(len(ops), device=like.device)
            idle = {position for position, i in enumerate(inner.index) if i in inner.idle}
            yield source, ops, weights if gate.weight is None else weights * gate.weight[at], idle

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the nodes so far, B×C×H×W each."""
        return self.total(lambda j: self.edges[str(j)](states[j]))

    def total(self, edge: Callable[[int], Tensor]) -> Tensor:
        """The sum over the edges in use, each with its weight; `edge` takes the number of its source."""
        return mix(self._gate(), edge)


class Sum(nn.Module):
    """A node of a derived cell.

    Adds what its edges make of earlier states, dropping whole edges in training.
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

    def forward(self, x: Tensor) -> Tensor:
        """(B, …), same shape as the input; the input itself in evaluation."""
        if not self.training or self.drop_path_probability == 0.0:
            return x
        keep = 1.0 - self.drop_path_probability
        return x * (x.new_empty(x.shape[0], *(1 for _ in x.shape[1:])).bernoulli_(keep) / keep)
