"""The one definition of a search space: a function that makes a network with choices in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Building, Choice, building
from nasturtium.modules.derive import strip
from nasturtium.modules.example import Example, fixed
from nasturtium.modules.walk import space_of
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph
from nasturtium.space.constraints import Constraint
from nasturtium.space.decision import Decision, Option
from nasturtium.space.growing import GrowingSpace
from nasturtium.space.search_space import SearchSpace


class Blueprint:
    """A network with choices, as a function `make` that builds it (an `nn.Module` class will do).

    `settings` are decisions about training, searched jointly and named `train/<setting>`; `constraints` tie
    decisions together. `notation` writes an architecture as its field does, `graphs` tells its cells where
    decision names don't (see `cell_graphs`), `example` makes a batch of inputs. `points` are architectures
    known by name, such as those that a paper found.

    `kept` leaves the named decisions only some of their options.

    `space` is given where networks can't show it because they may grow without bound; `make` then builds the
    network of the architecture in `current()`, and raises `UsageError` where there is none. Such a space
    tells its cells itself.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        *,
        settings: Sequence[Decision] = (),
        constraints: Sequence[Constraint] = (),
        notation: Callable[[Architecture], str] | None = None,
        graphs: Callable[[Architecture], Sequence[CellGraph]] | None = None,
        example: Example | None = None,
        points: Mapping[str, Architecture] | None = None,
        space: GrowingSpace | None = None,
        kept: Mapping[str, Collection[Option]] | None = None,
    ) -> None:
        if space is not None and (constraints or graphs):
            raise UsageError("a space that is given has its own constraints and graphs")
        self.make = make
        self.notation = notation
        self.graphs = graphs
        self.example = example
        self.points = dict(points or {})
        self._settings = tuple(settings)
        self._constraints = tuple(constraints)
        self._given = space
        self._kept = dict(kept or {})

    def restrict(self, kept: Mapping[str, Collection[Option]]) -> "Blueprint":
        """The same network, of whose decisions those named in `kept` have only these options left."""
        return self._changed(kept={**self._kept, **kept})

    def with_settings(self, settings: Sequence[Decision]) -> "Blueprint":
        """The same network, searched jointly with more training settings."""
        return self._changed(settings=(*self._settings, *settings))

    def with_example(self, example: Example) -> "Blueprint":
        """The same network, whose inputs `example` makes."""
        return self._changed(example=example)

    def _changed(
        self,
        *,
        settings: Sequence[Decision] | None = None,
        example: Example | None = None,
        kept: Mapping[str, Collection[Option]] | None = None,
    ) -> "Blueprint":
        return Blueprint(
            self.make,
            settings=self._settings if settings is None else settings,
            constraints=self._constraints,
            notation=self.notation,
            graphs=self.graphs,
            example=example or self.example,
            points=self.points,
            space=self._given,
            kept=self._kept if kept is None else kept,
        )

    def inputs(self, batch: int, seed: int = 0) -> tuple[Tensor, ...]:
        """A batch of random inputs, the arguments of `forward`; raises `UsageError` without an `example`."""
        if self.example is None:
            raise UsageError("this blueprint does not say what its network takes: give it an example")
        return fixed(self.example, seed)(batch)

    @cached_property
    def space(self) -> SearchSpace:
        """The pure-data search space, read off the network without allocating its weights, or given."""
        if self._given is not None:
            return self._given.with_settings(self._settings)
        space = space_of(
            self._outline, settings=self._settings, constraints=self._constraints, graphs=self.graphs
        )
        if not space.decisions:
            raise UsageError(
                "this network has no choices in it: put a OneOf, Repeat, Cell or elastic layer into it"
            )
        return space.restrict(self._kept) if self._kept else space

    @cached_property
    def _outline(self) -> nn.Module:
        """The network with all its candidates, without weights."""
        with torch.device("meta"), building(Building(outline=True)):
            return self.make()

    @cached_property
    def mixes(self) -> bool:
        """Whether every decision's options can run together, weighted, as gradient methods need it."""
        if self._settings or self.space.unbounded:
            return False
        choices = [module for module in self._outline.modules() if isinstance(module, Choice)]
        single = (c for c in choices if not c.runs_mixtures)
        return not any(len(decision.options) > 1 for c in single for decision in c.decisions())

    def build(self, arch: Architecture, seed: int) -> nn.Module:
        """A fresh plain network of `arch`; only the chosen candidates are ever built.

        Its first weights depend on `arch` and `seed` alone, not on what else the space holds. Raises
        `UsageError` if `arch` is not in the space.
        """
        arch = self.space.validate(arch)
        with torch.random.fork_rng(devices=[]), building(Building(arch)):
            torch.default_generator.manual_seed(seed)
            return strip(self.make(), arch, in_place=True)
