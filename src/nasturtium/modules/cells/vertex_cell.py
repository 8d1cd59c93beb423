"""A cell with operations at the vertices of a graph, every edge of which is a decision.

This is the cell of NAS-Bench-101 (Ying et al. 2019, https://arxiv.org/abs/1902.09635): vertices that are on
no way from the input to the output are dropped, and how many channels a vertex has depends on the graph.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from nasturtium.modules.choice import Choice, add, current
from nasturtium.modules.dims import Computed, Size
from nasturtium.modules.elastic.conv import ElasticConv2d
from nasturtium.modules.elastic.norm import ElasticBatchNorm2d
from nasturtium.modules.one_of import OneOf
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.constraints import used
from nasturtium.space.decision import Decision, Value

Edges = Collection[tuple[int, int]]  # (source, target), source < target
Maker = Callable[[Size], nn.Module]  # an operation with so many channels


@dataclass(frozen=True)
class Wiring:
    """What a graph makes of a cell: vertex 0 is the input, the last one the output, others are inner.

    `sources` has the inner vertices that are used, in order, with those that feed them; `widths` their
    channels; `outputs` are the inner vertices that feed the output, and `skip` says whether the input does.
    """

    sources: Mapping[int, tuple[int, ...]]
    widths: Mapping[int, int]
    outputs: tuple[int, ...]
    skip: bool


def wire(edges: Edges, last: int, channels: int) -> Wiring:
    """The cell of a graph with `channels` at its output.

    Vertices that feed the output share its channels, the first ones getting one more where that is not even;
    other vertices have as many as the widest that they feed.
    """
    inner = [v for v in used(edges, last) if 0 < v < last]
    outputs = tuple(v for v in inner if (v, last) in edges)
    widths: dict[int, int] = {}
    for vertex in reversed(inner):
        if vertex in outputs:
            share, rest = divmod(channels, len(outputs))
            widths[vertex] = share + (outputs.index(vertex) < rest)
        else:
            widths[vertex] = max(widths[v] for v in inner if (vertex, v) in edges)
    sources = {v: tuple(s for s in (0, *inner) if (s, v) in edges) for v in inner}
    return Wiring(sources, widths, outputs, (0, last) in edges)


def conv_bn_relu(in_: Size, out: Size, kernel: int) -> nn.Sequential:
    """Convolution, BatchNorm, ReLU."""
    return nn.Sequential(ElasticConv2d(in_, out, kernel, bias=False), ElasticBatchNorm2d(out), nn.ReLU())


class VertexCell(Choice):
    """A cell of `vertices` vertices between `in_` and `channels` channels.

    Whether there is an edge from vertex `j` to `i` is decision `<name>/<i><-<j>`, 0 or 1; the operation of an
    inner vertex is decision `<name>/<i>/op`, one of `ops`, which map to functions of its channels. The cell's
    input passes a 1×1 convolution to every vertex that it feeds. What enters a vertex is cut to its channels
    and added; what enters the output is concatenated, and the input added to it.
    """

    runs_mixtures = False

    def __init__(
        self,
        name: str,
        ops: Mapping[str, Callable[[Size], nn.Module]],
        in_: int,
        channels: int,
        vertices: int,
    ) -> None:
        super().__init__()
        self.name, self.last, self.channels = name, vertices - 1, channels
        self.edges = edge_decisions(name, vertices)
        arch = current().arch
        wiring = None if arch is None else self.wiring(arch)
        inner = range(1, self.last) if wiring is None else wiring.sources
        sizes = {v: self._width(v) for v in inner}
        fed = [v for v in inner if wiring is None or 0 in wiring.sources[v]]
        self.projections = nn.ModuleDict({str(v): conv_bn_relu(in_, sizes[v], 1) for v in fed})
        if wiring is None or wiring.skip:
            self.projections[str(self.last)] = conv_bn_relu(in_, channels, 1)
        self.ops = nn.ModuleDict(
            {
                str(v): OneOf(f"{name}/{v}/op", {op: partial(make, sizes[v]) for op, make in ops.items()})
                for v in inner
            }
        )

    def _width(self, vertex: int) -> Computed:
        shares = {-(-self.channels // n) for n in range(1, self.last)}
        shares |= {self.channels // n for n in range(1, self.last)}
        function = partial(_width, self.edges, self.last, self.channels, vertex)
        return Computed(function, tuple(self.edges), tuple(sorted(shares)))

    def wiring(self, values: Mapping[str, Value]) -> Wiring:
        """The graph that these values of the edges make."""
        return wire(_chosen(self.edges, values), self.last, self.channels)

    def decisions(self) -> tuple[Decision, ...]:
        """One per edge, by target, then by source."""
        return tuple(self.edges)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """Projections under the edges from the input, and the operations."""
        for vertex, projection in self.projections.items():
            yield When(f"{self.name}/{vertex}<-0", frozenset([1])), projection
        for op in self.ops.values():
            yield None, op

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The graph's vertices alone, with weights cut to their channels."""
        wiring = self.wiring(arch)
        fed = [v for v, sources in wiring.sources.items() if 0 in sources] + [self.last] * wiring.skip
        projections = {v: inner(self.projections[str(v)]) for v in fed}
        return WiredCell(wiring, projections, {v: inner(self.ops[str(v)]) for v in wiring.sources}, self.last)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×channels×H×W at the gated edges and operations."""
        return _run(
            self.wiring(self.values(tuple(self.edges))), self.projections, self.ops, self.last, x_BCHW
        )


class WiredCell(nn.Module):
    """A `VertexCell` of a given graph."""

    def __init__(
        self,
        wiring: Wiring,
        projections: Mapping[int, nn.Module],
        ops: Mapping[int, nn.Module],
        last: int,
    ) -> None:
        super().__init__()
        self.wiring, self.last = wiring, last
        self.projections = nn.ModuleDict({str(v): module for v, module in projections.items()})
        self.ops = nn.ModuleDict({str(v): module for v, module in ops.items()})

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×in×H×W → B×channels×H×W."""
        return _run(self.wiring, self.projections, self.ops, self.last, x_BCHW)


def edge_decisions(name: str, vertices: int) -> dict[Decision, tuple[int, int]]:
    """The decisions of a cell's edges with their source and target."""
    pairs = [(source, target) for target in range(1, vertices) for source in range(target)]
    return {Decision(f"{name}/{target}<-{source}", (0, 1)): (source, target) for source, target in pairs}


def _chosen(edges: Mapping[Decision, tuple[int, int]], values: Mapping[str, Value]) -> set[tuple[int, int]]:
    return {edge for decision, edge in edges.items() if values[decision.name]}


def _width(
    edges: Mapping[Decision, tuple[int, int]],
    last: int,
    channels: int,
    vertex: int,
    values: Mapping[str, Value],
) -> int:
    return wire(_chosen(edges, values), last, channels).widths[vertex]


def _run(wiring: Wiring, projections: nn.ModuleDict, ops: nn.ModuleDict, last: int, x: Tensor) -> Tensor:
    states: dict[int, Tensor] = {}
    for vertex, sources in wiring.sources.items():
        width = wiring.widths[vertex]
        entering = [
            projections[str(vertex)](x) if s == 0 else _cut(states[s], wiring.widths[s], width)
            for s in sources
        ]
        states[vertex] = ops[str(vertex)](add(entering))
    leaving = [states[v] for v in wiring.outputs]
    joined = [torch.cat(leaving, dim=1)] if len(leaving) > 1 else leaving
    return add([*joined, *([projections[str(last)](x)] if wiring.skip else [])])


def _cut(x_BCHW: Tensor, have: int, want: int) -> Tensor:
    return x_BCHW if have == want else x_BCHW[:, :want]
