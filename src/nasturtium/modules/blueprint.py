"""The one definition of a search space: a function that makes a network with choices in it."""

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Building, building
from nasturtium.modules.derive import strip
from nasturtium.modules.walk import space_of
from nasturtium.space.architecture import Architecture
from nasturtium.space.constraints import Constraint
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace


class Blueprint:
    """A network with choices, as a function `make` that builds it (an `nn.Module` class will do).

    `settings` are decisions about training, searched jointly and named `train/<setting>`; `constraints` tie
    decisions together.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        *,
        settings: Sequence[Decision] = (),
        constraints: Sequence[Constraint] = (),
        notation: Callable[[Architecture], str] | None = None,
    ) -> None:
        self.make = make
        self.notation = notation
        self._settings = tuple(settings)
        self._constraints = tuple(constraints)

    def with_settings(self, settings: Sequence[Decision]) -> "Blueprint":
        """The same network, searched jointly with more training settings."""
        return Blueprint(
            self.make,
            settings=(*self._settings, *settings),
            constraints=self._constraints,
            notation=self.notation,
        )

    @cached_property
    def space(self) -> SearchSpace:
        """The pure-data search space, read off the network without allocating its weights."""
        with torch.device("meta"):
            space = space_of(self.make(), settings=self._settings, constraints=self._constraints)
        if not space.decisions:
            raise UsageError(
                "this network has no choices in it: put a OneOf, Repeat, Cell or elastic layer into it"
            )
        return space

    def build(self, arch: Architecture, seed: int) -> nn.Module:
        """A fresh plain network of `arch`; only the chosen candidates are ever built.

        Its first weights depend on `arch` and `seed` alone, not on what else the space holds. Raises
        `UsageError` if `arch` is not in the space.
        """
        arch = self.space.validate(arch)
        with torch.random.fork_rng(devices=[]), building(Building(arch)):
            torch.default_generator.manual_seed(seed)
            return strip(self.make(), arch, in_place=True)
