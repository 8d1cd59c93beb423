"""Choose a module by the values of several decisions together."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import Conjunction, When
from nasturtium.space.decision import Decision, Option, Value


class Switch(Choice):
    """Runs the candidate made for the values of all `decisions`.

    `candidates` maps their values, in order, to a function that makes the module; values without one must be
    ruled out by a constraint. Candidates may give different shapes, so that one runs at a time. Example: a
    layer whose weights depend on the widths chosen before and after it.
    """

    runs_mixtures = False

    def __init__(
        self,
        decisions: Sequence[Decision],
        candidates: Mapping[tuple[Option, ...], Callable[[], nn.Module]],
    ) -> None:
        super().__init__()
        self._decisions = tuple(decisions)
        arch = current().arch
        keys = list(candidates) if arch is None else [self._chosen(arch)]
        self._places = {values: str(at) for at, values in enumerate(candidates)}
        self.candidates = nn.ModuleDict({self._places[values]: candidates[values]() for values in keys})

    def _chosen(self, arch: Mapping[str, Value]) -> tuple[Option, ...]:
        values = tuple(arch[decision.name] for decision in self._decisions)
        return tuple(value for value in values if not isinstance(value, tuple))

    def decisions(self) -> tuple[Decision, ...]:
        """All that are read."""
        return self._decisions

    def branches(self) -> Iterable[tuple[Conjunction, nn.Module]]:
        """Each candidate under its values."""
        for values, place in self._places.items():
            if place in self.candidates:
                pairs = zip(self._decisions, values, strict=True)
                under = frozenset(When(decision.name, frozenset([value])) for decision, value in pairs)
                yield under, self.candidates[place]

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The candidate of the chosen values."""
        return inner(self.candidates[self._places[self._chosen(arch)]])

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the gated candidate gives; `inputs` as it takes them."""
        chosen = self._chosen(self.values(self._decisions))
        output: Tensor = self.candidates[self._places[chosen]](*inputs)
        return output
