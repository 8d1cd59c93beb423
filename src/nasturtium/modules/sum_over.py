"""A sum over whatever parts several decisions together call for, such as all pairs of chosen inputs."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, add, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Value

Key = tuple[int, ...]
"""The positions of the states that a part takes."""

Pick = Callable[[Mapping[str, Value]], Iterable[Key]]
"""Which parts there are, given the values of the decisions: at least one, in order."""


class SumOver(Choice):
    """Adds up what the picked parts make of their states; `part(key)` makes the module that takes the states
    at the positions `key`.

    `keys` are all that `pick` may ever give. Which parts there are has no mixture.
    """

    runs_mixtures = False

    def __init__(
        self,
        decisions: Sequence[Decision],
        pick: Pick,
        part: Callable[[Key], nn.Module],
        keys: Iterable[Key],
    ) -> None:
        super().__init__()
        self._decisions = tuple(decisions)
        self._pick = pick
        arch = current().arch
        wanted = keys if arch is None else self._picked(arch)
        self.parts = nn.ModuleDict({_name(key): part(key) for key in wanted})

    def _picked(self, arch: Architecture) -> list[Key]:
        return list(self._pick({d.name: arch[d.name] for d in self._decisions}))

    def decisions(self) -> tuple[Decision, ...]:
        """What says which parts there are."""
        return self._decisions

    def branches(self) -> Iterable[tuple[None, nn.Module]]:
        """Each part; what is decided inside of one must be decided alike in all."""
        for part in self.parts.values():
            yield None, part

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The sum of certain parts."""
        return SumOfParts({key: inner(self.parts[_name(key)]) for key in self._picked(arch)})

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` as the parts take them."""
        picked = self._pick(self.values(self._decisions))
        return add(self.parts[_name(key)](*(states[i] for i in key)) for key in picked)


class SumOfParts(nn.Module):
    """Adds up what its parts make of the states at fixed positions."""

    def __init__(self, parts: Mapping[Key, nn.Module]) -> None:
        super().__init__()
        self.keys = tuple(parts)
        self.parts = nn.ModuleList(parts.values())

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` as the parts take them."""
        return add(part(*(states[i] for i in key)) for key, part in zip(self.keys, self.parts, strict=True))


def _name(key: Key) -> str:
    return "-".join(map(str, key))
