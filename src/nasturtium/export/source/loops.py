"""Finds where a traced forward runs a whole ModuleList in order, to be written as a loop again."""

from dataclasses import dataclass

from torch import fx, nn

from nasturtium.export.source.expressions import attribute

_SHORTEST = 3


@dataclass
class Loop:
    """All items of the ModuleList at `path`, each called on the result of the one or two before."""

    path: str
    written: str  # the list as the module reaches it
    start: tuple[fx.Node, ...]  # what the first item is called on
    nodes: list[fx.Node]  # one call per item


def find_loops(nodes: list[fx.Node], module: nn.Module) -> list[Loop]:
    """The loops in a graph, in its order."""
    calls: dict[str, list[fx.Node]] = {}
    for node in nodes:
        if node.op == "call_module":
            calls.setdefault(str(node.target).rpartition(".")[0], []).append(node)
    found = []
    for path, run in calls.items():
        items = module.get_submodule(path)
        names = [str(node.target).rpartition(".")[2] for node in run]
        complete = len(run) >= _SHORTEST and names == [str(i) for i in range(len(list(items.children())))]
        if complete and isinstance(items, nn.ModuleList) and path:
            start = _start(run)
            if start:
                found.append(Loop(path, attribute(module, path), start, run))
    return found


def _start(run: list[fx.Node]) -> tuple[fx.Node, ...] | None:
    """What the run starts from, if each call takes just the results before it, and nothing else does."""
    for memory in (1, 2):
        first = run[0].args
        if len(first) != memory or not all(isinstance(x, fx.Node) for x in first):
            continue
        states = [x for x in first if isinstance(x, fx.Node)]
        if memory == 2 and run[1].args and run[1].args[0] is not states[1]:
            continue
        states += run
        chained = all(
            not node.kwargs and list(node.args) == states[i : i + memory] for i, node in enumerate(run)
        )
        own = all(set(x.users) <= {*run, *states[:memory]} for x in states[:-memory])
        plain = all(x.op != "get_attr" for x in first if isinstance(x, fx.Node))
        if chained and own and plain:
            return tuple(states[:memory])
    return None
