"""Choose which of several tensors to use."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, add, mix
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, members


class InputChoice(Choice):
    """The sum of `k` of `n` tensors of one shape; options are their positions."""

    def __init__(self, name: str, n: int, k: int = 1) -> None:
        super().__init__()
        self.decision = Decision(name, tuple(range(n)), k=k)

    def decisions(self) -> tuple[Decision, ...]:
        """Which inputs."""
        return (self.decision,)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """A module that adds the chosen inputs."""
        return SumOf(tuple(int(i) for i in members(arch[self.decision.name])))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """`inputs` are `n` tensors of one shape."""
        return mix(self.gate(self.decision.name), lambda i: inputs[i])


class SumOf(nn.Module):
    """Adds the inputs at fixed positions."""

    def __init__(self, positions: tuple[int, ...]) -> None:
        super().__init__()
        self.positions = positions

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """`inputs` are tensors of one shape."""
        return add(inputs[i] for i in self.positions)
