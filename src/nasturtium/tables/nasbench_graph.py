"""The networks of NAS-Bench-Graph (Qin et al. 2022, https://arxiv.org/abs/2206.09166), without their layers.

Each of 4 nodes computes by one of 9 operations from the raw features or from one earlier node; what no node
uses is joined. There are 9 ways to link 4 nodes up to order. A skip that something hangs on, or that repeats
the output of the only node before it, changes nothing, and raw features are never joined: of 59,049
combinations 26,206 networks differ, the benchmark's count.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import Rule
from nasturtium.space.decision import Decision, Value
from nasturtium.space.search_space import SearchSpace

NODES = 4
SKIP = "skip"
LINKS = ("0000", "0001", "0011", "0012", "0013", "0111", "0112", "0122", "0123")
"""Per node the state that it takes: 0 the raw features, 1 to 3 a node."""
OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", SKIP)
DECISIONS = (
    Decision("macro/links", LINKS),
    *(Decision(f"node{i}/operation", OPERATIONS) for i in range(1, NODES + 1)),
)
SOMETHING = Rule(
    "not every node may skip",
    frozenset(decision.name for decision in DECISIONS[1:]),
    lambda seen: set(seen.values()) != {SKIP},
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


def lists_of(values: Mapping[str, Value]) -> tuple[list[int], list[str]]:
    """The links and the operations of an architecture."""
    links, *operations = (str(values[decision.name]) for decision in DECISIONS)
    return [int(link) for link in links], operations


def plan_of(values: Mapping[str, Value]) -> Plan:
    """What an architecture computes."""
    return plan(*lists_of(values))


def graph(arch: Mapping[str, Value]) -> CellGraph:
    """What an architecture computes; those that compute the same have graphs that differ in order only."""
    found, (_, operations) = plan_of(arch), lists_of(arch)
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
    links, operations = lists_of(arch)
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
    found, (_, operations) = plan_of(arch), lists_of(arch)
    first = NODES - len(found.steps)
    at = {0: first} | {i: first + position for position, (i, _) in enumerate(found.steps, start=1)}
    links = [*range(first), *(at[source] for _, source in found.steps)]
    kept = [SKIP] * first + [operations[i - 1] for i, _ in found.steps]
    keys = []
    for text, ordered in _orders(links, kept):
        if ordered[:first] == (SKIP,) * first and text.startswith("0123"[:first]):
            keys.append([LINKS.index(text), *map(OPERATIONS.index, ordered)])
    return int("".join(map(str, min(keys))))


SPACE = SearchSpace(DECISIONS, constraints=[SOMETHING], graphs=lambda arch: [graph(arch)])
"""All networks, every one as often as there are combinations that compute it."""
