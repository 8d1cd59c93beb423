"""Choose one of several candidate modules."""

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, key_of, mix, wanted
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, Option


class OneOf(Choice):
    """Runs one of `candidates`, a mapping from option to a function that makes the module.

    Candidates take and return tensors of the same shapes. Example:
    `OneOf("act", {"relu": nn.ReLU, "silu": nn.SiLU})`. `ordered` says that neighbouring options are similar.
    """

    def __init__(
        self, name: str, candidates: Mapping[Option, Callable[[], nn.Module]], *, ordered: bool = False
    ) -> None:
        super().__init__()
        self.decision = Decision(name, tuple(candidates), ordered=ordered)
        self.candidates = nn.ModuleDict(
            {key_of(self.decision, o): candidates[o]() for o in wanted(self.decision)}
        )

    def candidate(self, option: Option) -> nn.Module:
        """The candidate of one option."""
        return self.candidates[key_of(self.decision, option)]

    def decisions(self) -> tuple[Decision, ...]:
        """The one decision."""
        return (self.decision,)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """Each candidate under its option."""
        for option in self.decision.options:
            if key_of(self.decision, option) in self.candidates:
                yield When(self.decision.name, frozenset([option])), self.candidate(option)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The chosen candidate."""
        option = arch[self.decision.name]
        assert not isinstance(option, tuple)
        return inner(self.candidate(option))

    def forward(self, *inputs: Tensor) -> Tensor:
        """The gated sum of candidates; `inputs` as each of them takes them."""
        options = self.decision.options
        return mix(self.gate(self.decision.name), lambda i: self.candidate(options[i])(*inputs))
