"""A cell of blocks, each the sum of two operations on two earlier states (Zoph et al. 2018,
https://arxiv.org/abs/1707.07012).

Both sides of a block may use the same state. The states that no block uses, the loose ends, are concatenated
to the cell's output; how wide that is depends on the architecture (see `joined`). As in ENAS (Pham et al.
2018, https://arxiv.org/abs/1802.03268) every side of a block has weights of its own for every state and
operation that it can choose.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nasturtium.modules.cells.cell import DropPath
from nasturtium.modules.cells.joined import Join
from nasturtium.modules.choice import Choice, current, mix, wanted
from nasturtium.modules.nasnet_ops import PairOp, skip_connect
from nasturtium.space.architecture import Architecture
from nasturtium.space.cell_graph import CellGraph, input_labels
from nasturtium.space.conditions import Conjunction, When
from nasturtium.space.decision import Decision, Option, Value

INPUTS = 2
SIDES = ("left", "right")


@dataclass(frozen=True)
class LooseEnds:
    """The states of cell `cell` that none of its `blocks` uses, and those in `always`.

    States are numbered inputs (0 and 1) first, then blocks.
    """

    cell: str
    blocks: int
    always: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        """Inputs and blocks."""
        return INPUTS + self.blocks

    def decisions(self) -> tuple[Decision, ...]:
        """Which states the blocks use."""
        return tuple(input_of(self.cell, i, side) for i in self.nodes() for side in SIDES)

    def nodes(self) -> range:
        """The state numbers of the blocks."""
        return range(INPUTS, self.count)

    def states(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """The loose ends, ascending; never empty, since nothing can use the last block."""
        used = {values[decision.name] for decision in self.decisions()}
        return tuple(i for i in range(self.count) if i not in used or i in self.always)


def input_of(cell: str, node: int, side: str) -> Decision:
    """Which earlier state one side of a block uses: `<cell>/<node>/<side>/input`."""
    return Decision(f"{cell}/{node}/{side}/input", tuple(range(node)))


class Side(Choice):
    """Half a block: an operation (decision `<name>/op`) on one of the earlier states (`<name>/input`).

    `make(op, source)` makes the operation `op` on state `source`.
    """

    def __init__(
        self, name: str, input_: Decision, ops: Sequence[str], make: Callable[[str, int], nn.Module]
    ) -> None:
        super().__init__()
        self.input = input_
        self.op = Decision(f"{name}/op", tuple(ops))
        # operations hold no decisions, and there are hundreds of them in a cell
        sources = () if current().outline else wanted(self.input)
        self.candidates = nn.ModuleDict(
            {self._key(j, op): make(str(op), int(j)) for j in sources for op in wanted(self.op)}
        )

    @staticmethod
    def _key(source: Option, op: Option) -> str:
        return f"{op}<-{source}"

    def decisions(self) -> tuple[Decision, ...]:
        """The state and the operation."""
        return (self.input, self.op)

    def branches(self) -> Iterable[tuple[Conjunction, nn.Module]]:
        """Each operation on each state."""
        for source, op in itertools.product(self.input.options, self.op.options):
            if self._key(source, op) in self.candidates:
                chosen = {self.input.name: source, self.op.name: op}
                under = frozenset(When(name, frozenset([option])) for name, option in chosen.items())
                yield under, self.candidates[self._key(source, op)]

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The chosen operation on the chosen state."""
        source, op = arch[self.input.name], arch[self.op.name]
        assert isinstance(source, int)
        assert isinstance(op, str)
        return Picked(source, inner(self.candidates[self._key(source, op)]))

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the blocks so far."""
        sources, ops = self.input.options, self.op.options
        inputs, operations = self.gate(self.input.name), self.gate(self.op.name)
        return mix(
            inputs,
            lambda j: mix(operations, lambda i: self.candidates[self._key(sources[j], ops[i])](states[j])),
        )


class Picked(nn.Module):
    """Half a block of a derived cell: an operation on one earlier state, dropped as a whole in training."""

    def __init__(self, source: int, op: nn.Module) -> None:
        super().__init__()
        self.source = source
        self.op = op
        self.drop_path = DropPath()

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the blocks so far, B×C×H×W each."""
        y = self.op(states[self.source])
        return y if isinstance(self.op, nn.Identity) else self.drop_path(y)


class Block(nn.Module):
    """The sum of two sides."""

    def __init__(self, left: nn.Module, right: nn.Module) -> None:
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`states` are the cell's inputs and the blocks so far."""
        return self.left(states) + self.right(states)


class PairCell(nn.Module):
    """The cell whose output `ends` describes; operations are functions (channels in, out, stride).

    `widths` are the channels of the two inputs; all that is made of them has `channels`. With `stride` 2 the
    operations on the inputs reduce the image. An input that is a loose end of another size than the blocks is
    fitted like a skip connection.
    """

    def __init__(
        self,
        ends: LooseEnds,
        ops: Mapping[str, PairOp],
        widths: tuple[int, int],
        channels: int,
        *,
        stride: int = 1,
    ) -> None:
        super().__init__()

        def make(op: str, source: int) -> nn.Module:
            if source < INPUTS:
                return ops[op](widths[source], channels, stride)
            return ops[op](channels, channels, 1)

        def side(node: int, name: str) -> Side:
            return Side(f"{ends.cell}/{node}/{name}", input_of(ends.cell, node, name), list(ops), make)

        def fit(width: int) -> Callable[[], nn.Module]:
            return lambda: skip_connect(width, channels, stride)

        self.blocks = nn.ModuleList(Block(side(i, "left"), side(i, "right")) for i in ends.nodes())
        odd = [i for i in range(INPUTS) if widths[i] != channels or stride > 1]
        self.join = Join(ends, {i: fit(widths[i]) for i in odd})

    def forward(self, x_BCHW: Tensor, y_BCHW: Tensor) -> Tensor:
        """The two inputs → B×(loose ends·channels)×H'×W'."""
        states = [x_BCHW, y_BCHW]
        for block in self.blocks:
            states.append(block(states))
        return self.join(states)


def pair_graph(arch: Architecture, ends: LooseEnds, *, keeps_size: bool = False) -> CellGraph:
    """The cell of `arch` as a graph; `keeps_size` says that blocks have the size and width of the inputs."""
    edges = [
        (int(str(arch[input_of(ends.cell, i, side).name])), i, str(arch[f"{ends.cell}/{i}/{side}/op"]))
        for i in ends.nodes()
        for side in SIDES
    ]
    return CellGraph(
        name=ends.cell,
        inputs=INPUTS,
        nodes=(*input_labels(INPUTS), *map(str, ends.nodes())),
        edges=tuple(edges),
        output=ends.states(arch),
        identity=("skip_connect",),
        keeps_size=keeps_size,
    )
