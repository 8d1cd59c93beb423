"""Choose how many blocks of a stack run."""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, add, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision


class Repeat(Choice):
    """Runs the first `depth` blocks of a stack;

    `block(i)` makes the i-th one, `depths` are the allowed depths.
    """

    def __init__(self, name: str, block: Callable[[int], nn.Module], depths: Sequence[int]) -> None:
        super().__init__()
        self.decision = Decision(name, tuple(sorted(depths)), ordered=True)
        arch = current().arch
        most = self.decision.options[-1] if arch is None else arch[name]
        assert isinstance(most, int)
        self.blocks = nn.ModuleList(block(i) for i in range(most))

    def decisions(self) -> tuple[Decision, ...]:
        """The depth."""
        return (self.decision,)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """Block i under every depth greater than i."""
        for i, block in enumerate(self.blocks):
            deeper = frozenset(d for d in self.decision.options if isinstance(d, int) and d > i)
            everywhere = len(deeper) == len(self.decision.options)
            yield None if everywhere else When(self.decision.name, deeper), block

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The blocks up to the chosen depth, in sequence."""
        depth = arch[self.decision.name]
        assert isinstance(depth, int)
        return nn.Sequential(*(inner(block) for block in list(self.blocks)[:depth]))

    def forward(self, x: Tensor) -> Tensor:
        """Output at the gated depth; a weighted gate mixes the outputs at several depths (of one shape)."""
        gate = self.gate(self.decision.name)
        depths = {int(self.decision.options[i]): at for at, i in enumerate(gate.index)}
        outputs = [x] if 0 in depths else []
        for i, block in enumerate(list(self.blocks)[: max(depths)]):
            x = block(x)
            if i + 1 in depths:
                outputs.append(x)
        if gate.weight is None:
            return add(outputs)
        return add(
            y * gate.weight[at] for y, at in zip(outputs, (depths[d] for d in sorted(depths)), strict=True)
        )
