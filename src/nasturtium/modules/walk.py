"""The walk over a module that collects its decisions and the conditions under which they matter."""

from collections.abc import Callable, Sequence

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Choice
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.conditions import Conjunction, When, plainest, simplify
from nasturtium.space.constraints import Constraint
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


def space_of(
    module: nn.Module,
    *,
    settings: Sequence[Decision] = (),
    constraints: Sequence[Constraint] = (),
    graphs: Callable[[Architecture], Sequence[CellGraph]] | None = None,
) -> SearchSpace:
    """The search space of `module`, plus decisions that no module makes (`settings`).

    A decision is active where any of its sites is: under all literals on the way to it. Raises `UsageError`
    if two sites of one name offer different options, naming both module paths.
    """
    found: dict[str, tuple[Decision, str]] = {d.name: (d, "the training settings") for d in settings}
    sites: dict[str, list[Conjunction]] = {d.name: [frozenset()] for d in settings}

    def visit(part: nn.Module, path: str, under: Conjunction) -> None:
        if not isinstance(part, Choice):
            for name, child in part.named_children():
                visit(child, f"{path}.{name}" if path else name, under)
            return
        for decision in part.decisions():
            known, place = found.setdefault(decision.name, (decision, path))
            if known != decision:
                raise UsageError(
                    f"decision {decision.name!r} means two things: {known.options} at"
                    f" {place or 'the network'} and {decision.options} at {path or 'the network'};"
                    " give them different names"
                )
            sites.setdefault(decision.name, []).append(under)
        names = {id(child): name for name, child in part.named_modules()}
        for literal, child in part.branches():
            visit(child, f"{path}.{names[id(child)]}".lstrip("."), both(under, literal))

    visit(module, "", frozenset())
    return SearchSpace(
        [decision for decision, _ in found.values()],
        plainest(
            {name: simplify(conjunctions) for name, conjunctions in sites.items()},
            {name: set(decision.options) for name, (decision, _) in found.items()},
        ),
        constraints,
        graphs=graphs,
    )


def both(under: Conjunction, literal: When | Conjunction | None) -> Conjunction:
    """`under`, and the literal or literals of a branch (None: none)."""
    if literal is None:
        return under
    return under | (literal if isinstance(literal, frozenset) else {literal})
