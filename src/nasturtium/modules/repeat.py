"""Choose how many blocks of a stack run."""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.choice import Choice, current, mix
from nasturtium.modules.dims import Size, dims_of, possible
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision


class Repeat(Choice):
    """Runs the first `depth` blocks of a stack; `block(i)` makes the i-th one.

    `depth` is the name of a decision between `depths`, or a size computed from one dimension, such as
    `derived(lambda scale: math.ceil(3 * scale), Dim("scale", (1.0, 1.2)))`. Raises `UsageError` for a size
    that depends on no dimension or on several, and for depths that are no whole numbers from 0.
    """

    def __init__(
        self, depth: str | Size, block: Callable[[int], nn.Module], depths: Sequence[int] = ()
    ) -> None:
        super().__init__()
        if isinstance(depth, str):
            self.depths = tuple(sorted(depths))
            self.decision = Decision(depth, self.depths, ordered=True)
        else:
            self.depths = tuple(possible(depth))  # one for each option of the dimension
            self.decision = _decision(depth)
        if any(type(number) is not int or number < 0 for number in self.depths):
            raise UsageError(
                f"Repeat: depths of {self.decision.name!r} must be whole numbers from 0, got {self.depths}"
            )
        arch = current().arch
        most = max(self.depths) if arch is None else self._depth(arch)
        self.blocks = nn.ModuleList(block(i) for i in range(most))

    def _depth(self, arch: Architecture) -> int:
        option = arch[self.decision.name]
        assert not isinstance(option, tuple)
        return self.depths[self.decision.options.index(option)]

    def decisions(self) -> tuple[Decision, ...]:
        """What the depth follows from."""
        return (self.decision,)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """Block i under every option whose depth is greater than i."""
        options = dict(zip(self.decision.options, self.depths, strict=True))
        for i, block in enumerate(self.blocks):
            deeper = frozenset(option for option, depth in options.items() if depth > i)
            everywhere = len(deeper) == len(options)
            yield None if everywhere else When(self.decision.name, deeper), block

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The blocks up to the chosen depth, in sequence."""
        return nn.Sequential(*(inner(block) for block in list(self.blocks)[: self._depth(arch)]))

    def forward(self, x: Tensor) -> Tensor:
        """Output at the gated depth; a weighted gate mixes the outputs at several depths (of one shape)."""
        gate = self.gate(self.decision.name)
        wanted = {self.depths[i] for i in gate.index}
        outputs = {0: x}
        for i, block in enumerate(list(self.blocks)[: max(wanted)], start=1):
            x = block(x)
            if i in wanted:
                outputs[i] = x
        return mix(gate, lambda i: outputs[self.depths[i]])


def _decision(depth: Size) -> Decision:
    dims = dims_of(depth)
    if len(dims) != 1:
        names = ", ".join(dim.name for dim in dims) or "none"
        raise UsageError(f"Repeat: a depth follows from one dimension, but this one from {names}")
    return dims[0].decision
