"""Cells as NAS-Bench-201 writes them (Dong & Yang 2020, https://arxiv.org/abs/2001.00326): node by node the
operation on every state before it, `|op~0|+|op~0|op~1|+…`.
"""

import re
from collections.abc import Sequence

from nasturtium.core.errors import UsageError, did_you_mean
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Value
from nasturtium.spaces.base import require_text


def write_cell(arch: Architecture, nodes: Sequence[int]) -> str:
    """The cell whose edges are the decisions `cell/<node><-<state>`."""
    parts = ("|".join(f"{arch[f'cell/{node}<-{j}']}~{j}" for j in range(node)) for node in nodes)
    return "+".join(f"|{part}|" for part in parts)


def read_cell(text: object, nodes: Sequence[int], ops: Sequence[str], owner: str) -> Architecture:
    """The architecture that `write_cell` wrote, of the space that `owner` names in messages.

    Raises `UsageError` naming the part that is wrong.
    """
    example = "+".join(f"|{_spelled(['op'] * node)}|" for node in nodes)
    parts = require_text(text, example).split("+")
    if len(parts) != len(nodes):
        raise UsageError(f"{text!r} has {len(parts)} nodes; {owner} has {len(nodes)}: {example}")
    values: dict[str, Value] = {}
    for node, part in zip(nodes, parts, strict=True):
        found = re.findall(r"([^|~]+)~", part)
        if len(found) != node or part != f"|{_spelled(found)}|":
            raise UsageError(f"node {node} reads {part!r}; expected |{_spelled(['op'] * node)}|")
        for source, op in enumerate(found):
            if op not in ops:
                raise UsageError(f"edge 'cell/{node}<-{source}' got {op!r}: {did_you_mean(op, ops)}")
            values[f"cell/{node}<-{source}"] = op
    return Architecture(values)


def _spelled(ops: Sequence[str]) -> str:
    return "|".join(f"{op}~{j}" for j, op in enumerate(ops))
