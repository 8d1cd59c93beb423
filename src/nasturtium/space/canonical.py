"""Canonical forms: one text for all cells that compute the same function.

`canonical` sees a cell as its operations: each takes the sum of some states and of outputs of other
operations. What carries nothing, does not lead to the output or is not reached from an input is gone,
identities are contracted, numbering is forgotten. Two cells have the same text exactly if such graphs of
operations are isomorphic, with the cell's inputs told apart. Three things are by design:

- Every operation has weights of its own. Two equal operations of one state are not one that is used twice.
- An operation of zeros counts as zeros, also one that would add a bias.
- Outputs joined by concatenation have no order: the next layer can undo any permutation of channels.

`written` is the text by which NAS-Bench-201 counts 6,466 unique cells among its 15,625 (Dong & Yang 2020,
https://arxiv.org/abs/2001.00326), for cells of every kind. It is coarser in one way, as equal operations of
equal states are the same text, and finer in two: a zero remains a term, and only the text of a sum is sorted,
so that (a+b)+c and a+(b+c) differ.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import NOTHING, CellGraph, other_decisions

ZERO = "#"
Uses = tuple[tuple[int, int], ...]  # (vertex, how often), by vertex
Label = tuple[int, int, str]  # kind, number, text: inputs first, then operations, then outputs


def canonical(graph: CellGraph) -> str:
    """A text that two cells share exactly if they compute the same function up to renaming weights, as this
    module understands it. Operations are numbered after the inputs.
    """
    operations = _operations(graph)
    return _text(_least(operations, _refined(operations, _ranks(operations.labels))), graph.inputs)


def written(graph: CellGraph) -> str:
    """The cell as NAS-Bench-201 writes it to find duplicates: each state is the sorted sum of its terms.

    The text doubles where a state is used twice, so deep and dense cells have long ones.
    """
    texts: list[str] = [str(i) for i in range(graph.inputs)]
    for state in range(graph.inputs, len(graph.nodes)):
        terms = [_term(graph, s, op, texts[s]) for s, t, op in graph.edges if t == state]
        total = "+".join(sorted(terms)) or ZERO
        op = graph.ops[state] if graph.ops else ""
        texts.append(_applied(op, total) if op else total)
    between = "|" if graph.join == "concat" else "+"
    output = between.join(sorted(texts[state] for state in graph.output))
    return f"({output})/{len(graph.output)}" if graph.join == "mean" else output


FORMS: dict[str, Callable[[CellGraph], str]] = {"graph": canonical, "written": written}


def key(arch: Architecture, graphs: Sequence[CellGraph], form: str | None = None) -> str:
    """The forms of all cells of an architecture, by default each cell's own, and its decisions that they do
    not show.

    Raises `UsageError` for an unknown form.
    """
    if form is not None and form not in tuple(FORMS):
        raise UsageError(f"unknown canonical form {form!r}: {did_you_mean(form, FORMS)}")
    cells = [[graph.name, FORMS[form or graph.form](graph)] for graph in graphs]
    return json.dumps({"cells": cells, "others": other_decisions(arch, graphs)}, sort_keys=True)


def _term(graph: CellGraph, source: int, op: str, text: str) -> str:
    return text if _passes(graph, source, op) else _applied(op, text)


def _applied(op: str, text: str) -> str:
    return ZERO if op in NOTHING or text == ZERO else f"({text})@{op}"


def _passes(graph: CellGraph, source: int, op: str) -> bool:
    """Whether `op` on an edge from state `source` is the identity."""
    return op == "" or (op in graph.identity and (graph.keeps_size or source >= graph.inputs))


@dataclass(frozen=True)
class _Operations:
    """A graph of operations. Vertices are the cell's inputs, the operations and, last, what leaves the cell;
    `takes` and `gives` are the vertices before and after each.
    """

    labels: tuple[Label, ...]
    takes: tuple[Uses, ...]
    gives: tuple[Uses, ...]


def _operations(graph: CellGraph) -> _Operations:
    labels: list[Label] = [(0, i, "") for i in range(graph.inputs)]
    takes: list[Uses] = [() for _ in labels]

    def after(op: str, sum_: Uses) -> Uses:
        if op in NOTHING or not sum_:
            return ()
        labels.append((1, 0, op))
        takes.append(sum_)
        return ((len(labels) - 1, 1),)

    entering: list[list[tuple[int, str]]] = [[] for _ in graph.nodes]
    for source, target, op in graph.edges:
        entering[target].append((source, op))
    states: list[Uses] = []
    for state, edges in enumerate(entering):
        parts = [states[s] if _passes(graph, s, op) else after(op, states[s]) for s, op in edges]
        total = _sum(parts) if state >= graph.inputs else ((state, 1),)
        op = graph.ops[state] if graph.ops else ""
        states.append(total if op == "" or (op in graph.identity and graph.keeps_size) else after(op, total))
    for label, sum_ in _outputs(graph, states):
        labels.append(label)
        takes.append(sum_)
    return _alive(labels, takes)


def _outputs(graph: CellGraph, states: Sequence[Uses]) -> list[tuple[Label, Uses]]:
    """What leaves the cell: each joined state, or their sum."""
    joined = [states[state] for state in graph.output]
    if graph.join == "concat":
        return [((2, 0, ""), sum_) for sum_ in joined]
    total = _sum(joined)
    if graph.join == "sum":
        return [((2, 0, ""), total)]
    common = math.gcd(len(joined), *(times for _, times in total))
    left = len(joined) // common  # the mean of two equal states is that state
    label = (2, 0, "") if left == 1 else (2, left, "mean")
    return [(label, tuple((vertex, times // common) for vertex, times in total))]


def _sum(parts: Sequence[Uses]) -> Uses:
    if len(parts) == 1:
        return parts[0]
    total: Counter[int] = Counter()
    for part in parts:
        for vertex, times in part:
            total[vertex] += times
    return tuple(sorted(total.items()))


def _alive(labels: list[Label], takes: list[Uses]) -> _Operations:
    """Without the operations that do not lead to an output; a vertex only takes earlier ones."""
    used = [kind != 1 for kind, _, _ in labels]
    for vertex in range(len(labels) - 1, -1, -1):
        if used[vertex]:
            for source, _ in takes[vertex]:
                used[source] = True
    kept = [vertex for vertex, needed in enumerate(used) if needed]
    number = {vertex: i for i, vertex in enumerate(kept)}
    left = tuple(tuple((number[s], times) for s, times in takes[vertex]) for vertex in kept)
    gives: list[list[tuple[int, int]]] = [[] for _ in kept]
    for vertex, sum_ in enumerate(left):
        for source, times in sum_:
            gives[source].append((vertex, times))
    return _Operations(tuple(labels[vertex] for vertex in kept), left, tuple(map(tuple, gives)))


Form = tuple[tuple[Label, Uses], ...]


def _refined(graph: _Operations, colors: Sequence[int]) -> Sequence[int]:
    """Vertices told apart as far as their neighbours differ; a color is a rank, so numbering plays no part
    in it.
    """
    classes = len(set(colors))
    while True:
        seen = [
            (
                colors[v],
                sorted([(colors[u], times) for u, times in graph.takes[v]]),
                sorted([(colors[u], times) for u, times in graph.gives[v]]),
            )
            for v in range(len(colors))
        ]
        colors = _ranks(seen)
        now = max(colors, default=-1) + 1
        if now == classes or now == len(colors):
            return colors
        classes = now


def _ranks(keys: Sequence[Any]) -> list[int]:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    ranks = [0] * len(keys)
    for before, vertex in zip(order, order[1:], strict=False):
        ranks[vertex] = ranks[before] + (keys[vertex] != keys[before])
    return ranks


def _least(graph: _Operations, colors: Sequence[int]) -> Form:
    """The least form over all ways to break the ties that refinement leaves.

    Vertices whose first way down gives the same form are images of each other, so one of them will do.
    """
    tied = _tied(colors)
    if not tied:
        return _form(graph, colors)
    branches: dict[Form, Sequence[int]] = {}
    for vertex in tied:
        branch = _refined(graph, _first(colors, vertex))
        branches.setdefault(_first_form(graph, branch), branch)
    return min(_least(graph, branch) for branch in branches.values())


def _first_form(graph: _Operations, colors: Sequence[int]) -> Form:
    while tied := _tied(colors):
        colors = _refined(graph, _first(colors, tied[0]))
    return _form(graph, colors)


def _tied(colors: Sequence[int]) -> list[int]:
    """The vertices of the first color that several have."""
    if max(colors, default=-1) + 1 == len(colors):
        return []
    color = next(c for c, n in sorted(Counter(colors).items()) if n > 1)
    return [vertex for vertex, c in enumerate(colors) if c == color]


def _first(colors: Sequence[int], vertex: int) -> list[int]:
    """`vertex` before all that had its color."""
    return _ranks([2 * color + (v != vertex) for v, color in enumerate(colors)])


def _form(graph: _Operations, colors: Sequence[int]) -> Form:
    form: list[tuple[Label, Uses]] = [((0, 0, ""), ())] * len(colors)
    for vertex, color in enumerate(colors):
        takes = tuple(sorted((colors[u], times) for u, times in graph.takes[vertex]))
        form[color] = (graph.labels[vertex], takes)
    return tuple(form)


def _text(form: Form, inputs: int) -> str:
    parts = []
    for i, ((kind, number, name), takes) in enumerate(form[inputs:], start=inputs):
        total = "+".join(str(u) if times == 1 else f"{times}*{u}" for u, times in takes)
        what = f"{i}={name!r}" if kind == 1 else f"{name}{number or ''}"
        parts.append(f"{what}({total})")
    return " ".join(parts)
