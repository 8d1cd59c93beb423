"""An unbounded search space: every network that can be grown, block by block, from a base network.

What black-box strategies use works as in a bounded space, with growth in place of single changes: a mutation
is a move that enlarges the network (see `moves`), so its weights can be inherited; neighbours are one move
away; a random architecture is the end of a random walk. What needs a list of decisions or of architectures is
refused.
"""

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from nasturtium.core.errors import UsageError
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, input_labels
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.space.moves import Move, moves
from nasturtium.space.search_space import Crossover, SearchSpace, no_mapping
from nasturtium.space.structure import Place, Structure, completed, structure_of

NO_LIST = "it has no list of decisions; use a strategy that only samples, mutates or recombines"


class GrowingSpace(SearchSpace):
    """Networks with as many stages as `base` and any number of blocks in them (see `Structure.values`).

    `sample` makes up to `steps` random moves from `base`, their number uniform, each of a random kind and at
    a random place. Two orders of moves that lead to the same structure lead to the same architecture.
    `settings` are decisions about training, searched jointly. Each stage is told as a cell graph.
    """

    unbounded = True

    def __init__(self, base: Architecture, *, steps: int, settings: Sequence[Decision] = ()) -> None:
        super().__init__(settings, graphs=lambda arch: stage_graphs(self.structure(arch)))
        self._settings = SearchSpace(settings)
        self.stages = len({name.split("/")[0] for name in base})
        self.base = structure_of(base, self.stages)
        self.steps = steps

    def with_settings(self, settings: Sequence[Decision]) -> "GrowingSpace":
        """The same networks, searched jointly with more training settings."""
        base = Architecture(self.base.values())
        return GrowingSpace(base, steps=self.steps, settings=[*self.decisions.values(), *settings])

    def structure(self, arch: Mapping[str, Value]) -> Structure:
        """The network of an architecture; raises `UsageError` naming the decision that is wrong."""
        if not isinstance(arch, Mapping):
            raise UsageError(no_mapping(arch))
        return structure_of({n: v for n, v in arch.items() if n not in self.decisions}, self.stages)

    def moves(self, arch: Architecture) -> list[Move]:
        """The moves that a mutation of `arch` is drawn from."""
        return list(moves(self.structure(arch)))

    def moved(self, arch: Architecture, move: Move) -> Architecture:
        """`arch` after a move; raises `UsageError` naming the block if the move is impossible."""
        return self._joined(move.apply(self.structure(arch)), arch)

    def size(self) -> int | float:
        """Infinity."""
        return math.inf

    # --- drawing and moving about
    def sample(self, rng: np.random.Generator) -> Architecture:
        """The end of a random walk from the base network."""
        structure = self.base
        for _ in range(int(rng.integers(self.steps + 1))):
            structure = _one_of(_by_kind(structure), rng).apply(structure)
        return self._joined(structure, self._settings.sample(rng))

    def enumerate(self) -> Iterator[Architecture]:
        """What `sample` may draw: every architecture up to `steps` moves from the base, nearest first."""
        settings = list(self._settings.enumerate())
        near = {self.base: None}
        seen = dict(near)
        for step in range(self.steps + 1):
            for structure in near:
                yield from (self._joined(structure, chosen) for chosen in settings)
            if step < self.steps:
                far = (move.apply(structure) for structure in near for move in moves(structure))
                near = {structure: None for structure in far if structure not in seen}
                seen |= near

    def mutate(self, arch: Architecture, rng: np.random.Generator, *, n: int = 1) -> Architecture:
        """`arch` after `n` random changes: moves, first of a random kind, or one training setting."""
        structure, chosen = self.structure(arch), self._chosen(arch)
        changes = sum(d.count() > 1 for d in self.decisions.values())
        for _ in range(n):
            kinds = _by_kind(structure)
            if changes and rng.integers(len(kinds) + 1) == len(kinds):
                chosen = self._settings.mutate(chosen, rng)
            else:
                structure = _one_of(kinds, rng).apply(structure)
        return self._joined(structure, chosen)

    def neighbors(self, arch: Architecture) -> Iterator[Architecture]:
        """Every architecture that one move, or one step of a training setting, makes of `arch`, lazily.

        As moves only enlarge, being neighbours is not mutual.
        """
        structure, chosen = self.structure(arch), self._chosen(arch)
        for structure_after in dict.fromkeys(move.apply(structure) for move in moves(structure)):
            yield self._joined(structure_after, chosen)
        for other in self._settings.neighbors(chosen):
            yield self._joined(structure, other)

    def crossover(
        self, a: Architecture, b: Architecture, rng: np.random.Generator, *, kind: Crossover = "uniform"
    ) -> Architecture:
        """A child that takes each stage from `a` or `b` (`uniform` and `cell`), or all up to a random stage
        from `a` and the rest from `b` (`single-point`).

        A skip connection that would join two widths is left out.
        """
        chosen = self._settings.crossover(self._chosen(a), self._chosen(b), rng, kind=kind)
        if kind == "single-point":
            point = int(rng.integers(1, max(self.stages, 2)))
            from_a = [stage < point for stage in range(self.stages)]
        else:
            from_a = [bool(rng.integers(2)) for _ in range(self.stages)]
        pairs = zip(self.structure(a).stages, self.structure(b).stages, from_a, strict=True)
        child = Structure(tuple(ours if first else theirs for ours, theirs, first in pairs))
        return self._joined(child.mended(), chosen)

    def complete(self, wish: Mapping[str, Value], rng: np.random.Generator) -> Architecture:
        """An architecture that takes from `wish` every value that is allowed, the rest of a random one.

        See `completed`.
        """
        structure = completed(wish, self.structure(self.sample(rng)))
        return self._joined(structure, self._settings.complete(wish, rng))

    # --- checking
    def why_not(self, values: Mapping[str, Value]) -> str | None:
        """Why `values` are no architecture of this space, or None if they are one."""
        if not isinstance(values, Mapping):
            return self._settings.why_not(values)
        try:
            self.structure(values)
        except UsageError as error:
            return str(error)
        return self._settings.why_not({name: values[name] for name in self.decisions if name in values})

    def validate(self, values: Mapping[str, Value]) -> Architecture:
        """`values` as an architecture; raises `UsageError` naming the decision and its allowed values."""
        reason = self.why_not(values)
        if reason is not None:
            raise UsageError(reason)
        return self._joined(self.structure(values), self._settings.validate(self._chosen(values)))

    def _chosen(self, arch: Mapping[str, Value]) -> Architecture:
        """The training settings of an architecture."""
        return Architecture({name: arch[name] for name in self.decisions if name in arch})

    def _joined(self, structure: Structure, settings: Mapping[str, Value]) -> Architecture:
        """As in a bounded space the settings come first."""
        return Architecture({**self._chosen(settings), **structure.values()})

    # --- other views
    def restrict(self, options: Mapping[str, Collection[Option]]) -> NoReturn:
        """Refused: there is no list of options."""
        raise UsageError(f"an unbounded space can't be restricted to {', '.join(options)}: {NO_LIST}")

    def to_dict(self) -> dict[str, Any]:
        """As plain data, to be stored beside a run and compared when it is resumed."""
        base = json.loads(Architecture(self.base.values()).to_json())  # a resumed run compares with JSON
        return {**super().to_dict(), "base": base, "steps": self.steps}


def stage_graphs(structure: Structure) -> list[CellGraph]:
    """A graph for each stage, with a node for each block, labelled with its width."""
    graphs, decided = [], structure.values()
    for number, stage in enumerate(structure.stages, start=1):
        edges: list[tuple[int, int, str]] = []
        for at, block in enumerate(stage):
            edges += [(at, at + 1, f"conv_{kernel}x{kernel}") for kernel in block.kernels]
            edges += [(at, at + 1, "skip_connect")] * block.skip
        places = [Place(number, at + 1) for at in range(len(stage))]
        graph = CellGraph(
            f"stage{number}",
            inputs=1,
            nodes=(*input_labels(1), *(f"block{place.block}: {structure[place].width}" for place in places)),
            edges=tuple(edges),
            output=(len(stage),),
            decisions=tuple(
                name for name in decided if name.startswith(f"stage{number}/") and not name.endswith("/width")
            ),
        )
        graphs.append(graph)
    return graphs


def _by_kind(structure: Structure) -> list[list[Move]]:
    """The moves from here by their kind."""
    kinds: dict[type[Move], list[Move]] = {}
    for move in moves(structure):
        kinds.setdefault(type(move), []).append(move)
    return list(kinds.values())


def _one_of(kinds: list[list[Move]], rng: np.random.Generator) -> Move:
    """A random move of a random kind."""
    kind = kinds[int(rng.integers(len(kinds)))]
    return kind[int(rng.integers(len(kind)))]
