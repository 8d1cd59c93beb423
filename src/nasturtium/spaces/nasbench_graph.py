"""The NAS-Bench-Graph space (Qin et al. 2022, https://arxiv.org/abs/2206.09166): 4 nodes on a graph's data.

Each node computes by one of 9 operations from the raw features or from one earlier node; what no node uses is
joined. There are 9 ways to link 4 nodes up to order. A skip that something hangs on, or that repeats the
output of the only node before it, changes nothing, and raw features are never joined: of 59,049 combinations
26,206 networks differ, the benchmark's count.

As in the authors' network, a node whose input is not raw begins with BatchNorm and ReLU, attention has 4
heads, and a ReLU precedes the last layer. Their dropouts are left out. Layers are written with torch alone
(see `graph_layers`), so that networks can be exported, or are those of torch-geometric.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.modules.blocks.geometric_layers import geometric_layers
from nasturtium.modules.blocks.graph_layers import ARMA, GAT, GCN, GIN, SAGE, Alone, Cheb, Graph, GraphLayer
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value
from nasturtium.spaces.base import space
from nasturtium.tables.nasbench_graph import (
    DECISIONS,
    NODES,
    OPERATIONS,
    SKIP,
    SOMETHING,
    Plan,
    graph,
    lists_of,
    plan_of,
    to_text,
)

HEADS = 4
LAYERS: dict[str, GraphLayer] = {
    "gat": partial(GAT, heads=HEADS),
    "gcn": GCN,
    "gin": GIN,
    "cheb": Cheb,
    "sage": SAGE,
    "arma": ARMA,
    "graph": Graph,
    "fc": Alone,
}


class OnNode(nn.Module):
    """A node that takes another's output: BatchNorm, ReLU and its layer."""

    def __init__(self, width: int, layer: nn.Module) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.activation = nn.ReLU()
        self.layer = layer

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """N×width, 2×E → N×width."""
        return self.layer(self.activation(self.norm(x_NF)), links)


class Unchanged(nn.Module):
    """A skip, no layer at all."""

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """The features."""
        return x_NF


class Macro(Choice):
    """The nodes, the links between them, and the linear layer that joins what no node uses.

    Which nodes are linked has no mixture.
    """

    runs_mixtures = False

    def __init__(self, features: int, width: int, out: int, layers: Mapping[str, GraphLayer]) -> None:
        super().__init__()
        self.features, self.width, self.layers = features, width, layers
        arch = current().arch
        wanted = _everything() if arch is None else _candidates(arch)
        self.nodes = nn.ModuleDict({_key(*candidate): self._node(*candidate) for candidate in wanted})
        joined = NODES if arch is None else len(plan_of(arch).joined)
        self.join = nn.Linear(joined * width, out)

    def _node(self, i: int, operation: str, raw: bool) -> nn.Module:
        if operation == SKIP:
            return OnNode(self.width, Unchanged())
        layer = self.layers[operation]
        if raw:
            return layer(self.features, self.width)
        return OnNode(self.width, layer(self.width, self.width))

    def decisions(self) -> tuple[Decision, ...]:
        """The links and the operations."""
        return DECISIONS

    def _columns(self, joined: Sequence[int]) -> Tensor:
        """The weights of the join for these nodes."""
        if self.join.in_features == len(joined) * self.width:
            return self.join.weight
        return self.join.weight.unflatten(1, (NODES, self.width))[:, [i - 1 for i in joined]].flatten(1)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The nodes that change something, and the layer that joins them."""
        found = plan_of(arch)
        join = nn.Linear(len(found.joined) * self.width, self.join.out_features).to(self.join.weight)
        with torch.no_grad():
            join.weight.copy_(self._columns(found.joined))
            join.bias.copy_(self.join.bias)
        return LinkedNodes([inner(self.nodes[_key(*c)]) for c in _candidates(arch)], found, join)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """Features N×F, links 2×E → N×out."""
        values = self.values(DECISIONS)
        found = plan_of(values)
        nodes = [self.nodes[_key(*candidate)] for candidate in _candidates(values)]
        return F.linear(_run(nodes, found, x_NF, links), self._columns(found.joined), self.join.bias)


class LinkedNodes(nn.Module):
    """The nodes of one architecture."""

    def __init__(self, nodes: Iterable[nn.Module], plan: Plan, join: nn.Linear) -> None:
        super().__init__()
        self.nodes = nn.ModuleList(nodes)
        self.join = join
        self.plan = plan

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """Features N×F, links 2×E → N×out."""
        return self.join(_run(self.nodes, self.plan, x_NF, links))


def _run(nodes: Iterable[nn.Module], plan: Plan, x_NF: Tensor, links: Tensor) -> Tensor:
    """The joined outputs after ReLU, N×(joined · width)."""
    states = {0: x_NF}
    for node, (i, source) in zip(nodes, plan.steps, strict=True):
        states[i] = node(states[source], links)
    return F.relu(torch.cat([states[i] for i in plan.joined], dim=1))


def _key(i: int, operation: str, raw: bool) -> str:
    return f"{i}_{operation}_{'raw' if raw else 'node'}"


def _everything() -> Iterable[tuple[int, str, bool]]:
    """All candidates: node, operation, whether its input is raw; skips of raw features need no module."""
    for i in range(1, NODES + 1):
        yield from ((i, operation, True) for operation in LAYERS)
        if i > 1:
            yield from ((i, operation, False) for operation in OPERATIONS)


def _candidates(values: Mapping[str, Value]) -> list[tuple[int, str, bool]]:
    _, operations = lists_of(values)
    return [(i, operations[i - 1], source == 0) for i, source in plan_of(values).steps]


class GraphNetwork(nn.Module):
    """The searched nodes, and perhaps one more linear layer."""

    def __init__(
        self, features: int, classes: int, layers: Mapping[str, GraphLayer], *, width: int, post: bool
    ) -> None:
        super().__init__()
        self.macro = Macro(features, width, width if post else classes, layers)
        self.classifier = nn.Linear(width, classes) if post else nn.Identity()

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """Features N×F of the graph's nodes, links 2×E between them → logits N×classes."""
        return self.classifier(self.macro(x_NF, links))


def random_graph(nodes: int, features: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Features of uniform noise, and three links a node on average, each in both directions."""
    ends = torch.randint(nodes, (2, 3 * nodes), generator=generator)
    return torch.rand(nodes, features, generator=generator), torch.cat([ends, ends.flip(0)], dim=1)


@space(
    "nasbench-graph",
    summary="4 nodes of graph layers linked in 9 ways, 26,206 networks",
    paper="https://arxiv.org/abs/2206.09166",
    takes="graph",
    shape=(1433,),
    classes=7,
    small_shape=(6,),
    small={"width": 8},
)
def nasbench_graph(
    input_shape: tuple[int], classes: int, *, width: int = 256, post: int = 0, geometric: int = 0
) -> Blueprint:
    """Graphs whose nodes have `input_shape` features, as the 1,433 words of Cora.

    `width` was one of 64, 128 and 256; `post` 1 adds a linear layer at the end; `geometric` 1 takes the
    layers of torch-geometric, which can't be written as source. Raises `UsageError` unless `width` can be
    shared among the heads of attention, and where torch-geometric is asked for but not installed.
    """
    if width % HEADS:
        raise UsageError(f"space 'nasbench-graph' needs a width that {HEADS} heads can share, got {width}")
    layers = geometric_layers(HEADS) if geometric else LAYERS
    return Blueprint(
        lambda: GraphNetwork(input_shape[0], classes, layers, width=width, post=bool(post)),
        constraints=[SOMETHING],
        notation=to_text,
        graphs=lambda arch: [graph(arch)],
        example=lambda nodes, generator: random_graph(nodes, input_shape[0], generator),
    )
