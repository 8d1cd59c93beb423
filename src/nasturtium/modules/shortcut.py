"""A block with a connection around it, and the choice of that connection."""

from collections.abc import Callable, Iterable, Mapping

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, key_of, wanted
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, Option


class Residual(nn.Module):
    """What `body` gives plus what `shortcut` gives, by default the input itself (He et al. 2016,
    https://arxiv.org/abs/1512.03385).
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """`x` of a shape that `body` and `shortcut` bring to one shape."""
        return self.shortcut(x) + self.body(x)


class Shortcut(Choice):
    """`body` with one of several connections around it; `connections` maps an option to a function that
    makes the connection, or to None for no connection at all.
    """

    def __init__(
        self, name: str, body: nn.Module, connections: Mapping[Option, Callable[[], nn.Module] | None]
    ) -> None:
        super().__init__()
        self.decision = Decision(name, tuple(connections))
        self.body = body
        self.connections = nn.ModuleDict()
        for option in wanted(self.decision):
            make = connections[option]
            if make is not None:
                self.connections[key_of(self.decision, option)] = make()

    def _connection(self, option: Option) -> nn.Module | None:
        return dict(self.connections.items()).get(key_of(self.decision, option))

    def decisions(self) -> tuple[Decision, ...]:
        """The one decision."""
        return (self.decision,)

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """The body always, each connection under its option."""
        yield None, self.body
        for option in self.decision.options:
            connection = self._connection(option)
            if connection is not None:
                yield When(self.decision.name, frozenset([option])), connection

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The body, alone or with the chosen connection."""
        option = arch[self.decision.name]
        assert not isinstance(option, tuple)
        connection = self._connection(option)
        return inner(self.body) if connection is None else Residual(inner(self.body), inner(connection))

    def forward(self, x: Tensor) -> Tensor:
        """The output of the body plus the gated sum of connections; `x` as both take it."""
        gate = self.gate(self.decision.name)
        y = self.body(x)
        for at, i in enumerate(gate.index):
            connection = self._connection(self.decision.options[i])
            if connection is not None:
                z = connection(x)
                y = y + (z if gate.weight is None else gate.weight[at] * z)
        return y
