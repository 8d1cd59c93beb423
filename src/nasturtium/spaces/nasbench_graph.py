"""The NAS-Bench-Graph space (Qin et al. 2022, https://arxiv.org/abs/2206.09166): 4 nodes on a graph's data.

Each node computes by one of 9 operations from the raw features or from one earlier node; what no node uses is
joined. There are 9 ways to link 4 nodes up to order. A skip that something hangs on, or that repeats the
output of the only node before it, changes nothing, and raw features are never joined: of 59,049 combinations
26,206 networks differ, the benchmark's count.

As in the authors' network, a node whose input is not raw begins with BatchNorm and ReLU, attention has 4
heads, and a ReLU precedes the last layer. Their dropouts are left out. Layers are written with torch alone
(see `graph_layers`), so that networks can be exported, or are those of torch-geometric.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.modules.blocks.geometric_layers import geometric_layers
from nasturtium.modules.blocks.graph_layers import ARMA, GAT, GCN, GIN, SAGE, Alone, Cheb, Graph, GraphLayer
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Choice, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, Value
from nasturtium.spaces.base import space

NODES = 4
HEADS = 4
SKIP = "skip"
LINKS = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
"""Per node the state that it takes: 0 the raw features, 1 to 3 a node."""

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
OPERATIONS = (*LAYERS, SKIP)
DECISIONS = (
    Decision("macro/links", LINKS),
    *(Decision(f"node{i}/operation", OPERATIONS) for i in range(1, NODES + 1)),
)


@dataclass(frozen=True)
class Plan:
    """What an architecture computes: the nodes that change something, in order, as (node, source), source 0
    being the raw features; and the nodes that are joined.
    """

    steps: tuple[tuple[int, int], ...]
    joined: tuple[int, ...]


def plan(links: Sequence[int], operations: Sequence[str]) -> Plan:
    """The network of node i = 1 … n that takes `links[i - 1]` by `operations[i - 1]`; empty if all skip."""
    source = {0: 0}  # per state the one that it passes on
    for i, (link, operation) in enumerate(zip(links, operations, strict=True), start=1):
        passes = operation == SKIP and i in links
        source[i] = source[link] if passes else i
    real = [i for i in range(1, len(links) + 1) if source[i] == i]
    steps = {i: source[links[i - 1]] for i in real}
    for i in real:
        if operations[i - 1] == SKIP and (steps[i] == 0 or list(steps.values()).count(steps[i]) == 1):
            del steps[i]
    joined = tuple(i for i in steps if i not in steps.values())
    return Plan(tuple(steps.items()), joined)


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
        joined = NODES if arch is None else len(_plan(arch).joined)
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
        found = _plan(arch)
        join = nn.Linear(len(found.joined) * self.width, self.join.out_features).to(self.join.weight)
        with torch.no_grad():
            join.weight.copy_(self._columns(found.joined))
            join.bias.copy_(self.join.bias)
        return LinkedNodes([inner(self.nodes[_key(*c)]) for c in _candidates(arch)], found, join)

    def forward(self, x_NF: Tensor, links: Tensor) -> Tensor:
        """Features N×F, links 2×E → N×out."""
        values = self.values(DECISIONS)
        found = _plan(values)
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


def _read(values: Mapping[str, Value]) -> tuple[list[int], list[str]]:
    links, *operations = (str(values[decision.name]) for decision in DECISIONS)
    return [int(link) for link in links], operations


def _plan(values: Mapping[str, Value]) -> Plan:
    return plan(*_read(values))


def _candidates(values: Mapping[str, Value]) -> list[tuple[int, str, bool]]:
    _, operations = _read(values)
    return [(i, operations[i - 1], source == 0) for i, source in _plan(values).steps]


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
    operations = frozenset(decision.name for decision in DECISIONS[1:])
    something = Rule("not every node may skip", operations, lambda seen: set(seen.values()) != {SKIP})
    layers = geometric_layers(HEADS) if geometric else LAYERS
    return Blueprint(
        lambda: GraphNetwork(input_shape[0], classes, layers, width=width, post=bool(post)),
        constraints=[something],
        notation=to_text,
        graphs=lambda arch: [graph(arch)],
        example=lambda nodes, generator: random_graph(nodes, input_shape[0], generator),
    )


def graph(arch: Mapping[str, Value]) -> CellGraph:
    """What an architecture computes; those that compute the same have graphs that differ in order only."""
    found, (_, operations) = _plan(arch), _read(arch)
    at = {0: 0} | {i: position for position, (i, _) in enumerate(found.steps, start=1)}
    return CellGraph(
        "macro",
        1,
        ("features", *(str(i) for i, _ in found.steps)),
        tuple((at[source], at[i], "") for i, source in found.steps),
        tuple(at[i] for i in found.joined),
        ops=("", *(operations[i - 1] for i, _ in found.steps)),
        decisions=tuple(decision.name for decision in DECISIONS),
    )


def to_text(arch: Architecture) -> str:
    """Links and operations in the benchmark's notation, `[0, 1, 1, 2] gcn gin cheb fc`."""
    links, operations = _read(arch)
    return f"{links} {' '.join(operations)}"


def from_text(text: str) -> Architecture:
    """The architecture of a text in this notation.

    Raises `UsageError` as `from_lists` does, or if the text has another form.
    """
    form = r"\s*\[(?P<links>[\d\s,]*)\]\s*(?P<operations>[\w\s]*)"
    match = re.fullmatch(form, text) if isinstance(text, str) else None
    if match is None:
        expected = "[0, 1, 1, 2] gcn gin cheb fc"
        raise UsageError(f"{text!r} is no network of NAS-Bench-Graph; expected one such as {expected!r}")
    return from_lists(
        [int(number) for number in re.findall(r"\d+", match["links"])], match["operations"].split()
    )


def from_lists(links: Sequence[int], operations: Sequence[str]) -> Architecture:
    """The architecture of the benchmark's two lists, nodes in any order that puts inputs first.

    Raises `UsageError` naming the node for an unknown operation or an input that does not come before it, for
    a wrong number of nodes, and if every node skips.
    """
    for what, given in (("links", links), ("operations", operations)):
        if not isinstance(given, list | tuple) or len(given) != NODES:
            raise UsageError(f"NAS-Bench-Graph has a list of {NODES} {what}, got {given!r}")
    for i, (link, operation) in enumerate(zip(links, operations, strict=True), start=1):
        if not isinstance(link, int) or not 0 <= link < i:
            raise UsageError(f"node {i} got input {link!r}; it can only use 0 (the features) to {i - 1}")
        if operation not in OPERATIONS:
            raise UsageError(f"node {i} got {operation!r}: {did_you_mean(operation, OPERATIONS)}")
    if set(operations) == {SKIP}:
        raise UsageError("every node skips; NAS-Bench-Graph has no such network")
    text, ordered = next(_orders(links, operations))  # the given order, if it is one of the benchmark's
    return Architecture(dict(zip((d.name for d in DECISIONS), (text, *ordered), strict=True)))


def _orders(links: Sequence[int], operations: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The same nodes in every order that makes one of the benchmark's links, the given order first."""
    for order in permutations(range(1, len(links) + 1)):
        place = {0: 0} | {node: at for at, node in enumerate(order, start=1)}
        text = "".join(str(place[links[node - 1]]) for node in order)
        if text in LINKS:
            yield text, tuple(operations[node - 1] for node in order)


def benchmark_key(arch: Architecture) -> int:
    """The number under which the benchmark's tables hold the network that computes the same.

    Its links' position and its operations' positions are the digits; nodes that change nothing come first, as
    skips in a row, and of all orders the smallest number is taken.
    """
    found, (_, operations) = _plan(arch), _read(arch)
    first = NODES - len(found.steps)
    at = {0: first} | {i: first + position for position, (i, _) in enumerate(found.steps, start=1)}
    links = [*range(first), *(at[source] for _, source in found.steps)]
    kept = [SKIP] * first + [operations[i - 1] for i, _ in found.steps]
    keys = []
    for text, ordered in _orders(links, kept):
        if ordered[:first] == (SKIP,) * first and text.startswith("0123"[:first]):
            keys.append([LINKS.index(text), *map(OPERATIONS.index, ordered)])
    return int("".join(map(str, min(keys))))
