"""How AmoebaNet's architectures mutate (Real et al. 2019, https://arxiv.org/abs/1802.01548, section 3)."""

import re

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.search_space import SearchSpace

IDENTITY = 0.05  # chance that nothing changes
STATES = re.compile(r"(?P<cell>[^/]+)/.*inputs?")  # a decision on the states that an operation reads


class AmoebaNetMutation:
    """Changes one decision of one cell: which states are read, or an operation, with equal chances.

    Cells are told by the first part of decision names, decisions on states by their last. Raises `UsageError`
    for a space without a cell that has both kinds.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._cells = {m["cell"] for name in space.decisions if (m := STATES.fullmatch(name))}
        if not any(all(self._kinds(cell, list(space.decisions))) for cell in self._cells):
            raise UsageError("no cell of this space chooses states and operations: use mutation 'any'")

    def __call__(self, arch: Architecture, rng: np.random.Generator) -> Architecture:
        """`arch` with one decision changed, or as it is."""
        cells = [kinds for cell in sorted(self._cells) if all(kinds := self._kinds(cell, list(arch)))]
        if not cells or rng.random() < IDENTITY:
            return arch
        states, operations = cells[int(rng.integers(len(cells)))]
        names = states if rng.random() < 0.5 else operations
        decision = self._space.decisions[names[int(rng.integers(len(names)))]]
        others = decision.changes(arch[decision.name])
        return self._space.complete({**arch, decision.name: others[int(rng.integers(len(others)))]}, rng)

    def _kinds(self, cell: str, names: list[str]) -> tuple[list[str], list[str]]:
        """Of a cell's decisions that leave a choice, those on states and those on operations."""
        own = [n for n in names if n.startswith(f"{cell}/") and self._space.decisions[n].count() > 1]
        states = [name for name in own if STATES.fullmatch(name)]
        return states, [name for name in own if name not in states]
