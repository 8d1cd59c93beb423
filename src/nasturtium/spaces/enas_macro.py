"""The macro space of ENAS, a whole network layer by layer (Pham et al. 2018,
https://arxiv.org/abs/1802.03268).

Each layer does one of six operations to the output of the layer before it; the result is concatenated with
any of the earlier outputs (skip connections) and brought back to one width by ReLU, 1×1 convolution and
BatchNorm. After a third and two thirds of the layers every output that is still needed goes through a
factorised reduction that doubles its channels. Layer k has k−1 skip connections to choose, from the stem (0)
and from layers 1 to k−2, so that L layers make 6ᴸ·2^(L(L−1)/2) networks, as the paper counts. Every layer
feeds the next, so no two of them are the same network.

As in the authors' code the layer before is always an input of the operation, and an operation starts with a
1×1 convolution. Their code has two networks, and this is a third: that which they search with adds skip
connections, and has the ReLU of its convolutions last; that which they train in the end concatenates them,
but makes ordinary convolutions of the separable ones, and has no pooling. Their reductions have no ReLU.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.cells.joined import Join, JoinedConv2d
from nasturtium.modules.choice import Choice, current
from nasturtium.modules.one_of import OneOf
from nasturtium.modules.ops import OPS, DilConv, FactorizedReduce, ReLUConvBN, batch_norm
from nasturtium.space.architecture import Architecture
from nasturtium.space.decision import Decision, Option, Value
from nasturtium.spaces.base import require_image, space
from nasturtium.spaces.integers import read_integers

OPERATIONS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
"""In the order of the authors' numbers 0 to 5."""


def skip_of(layer: int, state: int) -> Decision:
    """Whether layer `layer` (from 1) takes output `state` besides, 0 or 1: `layer5/from2`."""
    return Decision(f"layer{layer}/from{state}", (0, 1), ordered=True)


@dataclass(frozen=True)
class Skips:
    """What is concatenated in a layer: position j is the output j of an earlier layer (0: the stem), the last
    position what the layer's operation gives.
    """

    layer: int

    @property
    def count(self) -> int:
        """All that there may be."""
        return self.layer

    def decisions(self) -> tuple[Decision, ...]:
        """One for each earlier output but that of the layer before."""
        return tuple(skip_of(self.layer, j) for j in range(self.layer - 1))

    def states(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """The chosen ones, ascending, then the operation's."""
        chosen = [j for j, skip in enumerate(self.decisions()) if values[skip.name] == 1]
        return (*chosen, self.layer - 1)


class Reduction(Choice):
    """Halves the image and doubles the channels of output `state` where any of `layers` takes it; elsewhere
    does nothing.
    """

    runs_mixtures = False

    def __init__(self, state: int, layers: range, channels: int) -> None:
        super().__init__()
        self.skips = tuple(skip_of(layer, state) for layer in layers)
        arch = current().arch
        if arch is None or self._taken(arch):
            self.reduce = FactorizedReduce(channels, 2 * channels)

    def _taken(self, values: Mapping[str, Value]) -> bool:
        return any(values[skip.name] == 1 for skip in self.skips)

    def decisions(self) -> tuple[Decision, ...]:
        """The skip connections that may take it."""
        return self.skips

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The reduction, or nothing."""
        return inner(self.reduce) if self._taken(arch) else nn.Identity()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """B×C×H×W → B×2C×⌈H/2⌉×⌈W/2⌉, or unchanged where nothing takes it."""
        return self.reduce(x_BCHW) if self._taken(self.values(self.skips)) else x_BCHW


class Layer(nn.Module):
    """One layer: an operation, then the skip connections; the first layer has none."""

    def __init__(self, number: int, channels: int) -> None:
        super().__init__()
        ops: dict[Option, Callable[[], nn.Module]] = {
            op: partial(_operation, op, channels) for op in OPERATIONS
        }
        self.op = OneOf(f"layer{number}/op", ops)
        skips = Skips(number)
        self.join: nn.Module = nn.Identity()
        self.squeeze: nn.Module = nn.Identity()
        self.joins = number > 1
        if self.joins:
            self.join = Join(skips)
            self.squeeze = nn.Sequential(
                nn.ReLU(), JoinedConv2d(skips, channels, channels), batch_norm(channels)
            )

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """`outputs` are those of the stem and of all earlier layers, B×C×H×W each; returns the same shape."""
        y = self.op(outputs[-1])
        if not self.joins:
            return y
        return self.squeeze(self.join([*outputs[:-1], y]))


def _operation(name: str, channels: int) -> nn.Module:
    squeeze = ReLUConvBN(channels, channels, 1)
    kernel = int(name[-1])
    if name.startswith("conv"):
        return nn.Sequential(squeeze, ReLUConvBN(channels, channels, kernel))
    if name.startswith("sep_conv"):
        return nn.Sequential(squeeze, DilConv(channels, kernel, 1, 1))
    return nn.Sequential(squeeze, OPS.get(name)(channels, 1))


class MacroNetwork(nn.Module):
    """Stem, layers with two reductions, classifier."""

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, channels: int, layers: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.layers = nn.ModuleList()
        self.reductions = nn.ModuleDict()  # by the number of the layer that they come after
        for number in range(1, layers + 1):
            self.layers.append(Layer(number, channels))
            if number in (layers // 3, 2 * (layers // 3)):
                later = range(number + 1, layers + 1)
                skipped = [Reduction(state, later, channels) for state in range(number)]
                last = FactorizedReduce(channels, 2 * channels)  # the next layer always takes it
                self.reductions[str(number)] = nn.ModuleList([*skipped, last])
                channels *= 2
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Images B×C×H×W → logits B×classes."""
        outputs = [self.stem(x_BCHW)]
        for number, layer in enumerate(self.layers, start=1):
            outputs.append(layer(outputs))
            if str(number) in self.reductions:
                reduce = self.reductions[str(number)]
                assert isinstance(reduce, nn.ModuleList)
                outputs = [one(output) for one, output in zip(reduce, outputs, strict=True)]
        return self.classifier(self.pool(outputs[-1]).flatten(1))


@space(
    "enas-macro",
    summary="a network of 12 layers, 6 operations each, any skip connections",
    paper="https://arxiv.org/abs/1802.03268",
    small={"channels": 4, "layers": 4},
)
def enas_macro(
    input_shape: tuple[int, int, int], classes: int, *, channels: int = 36, layers: int = 12
) -> Blueprint:
    """The published sizes are 12 layers and 36 channels to search, 24 layers and 96 channels in the end.

    Raises `UsageError` for images under 8×8 or fewer than 3 layers.
    """
    require_image("enas-macro", input_shape)
    if layers < 3:
        raise UsageError(f"space 'enas-macro' needs at least 3 layers for its two reductions, got {layers}")
    return Blueprint(
        lambda: MacroNetwork(input_shape, classes, channels=channels, layers=layers),
        notation=lambda arch: " ".join(map(str, to_numbers(arch))),
        points={"ENAS macro": from_numbers(ENAS_MACRO)} if layers == 24 else {},
    )


def _layers(arch: Architecture) -> int:
    return sum(name.endswith("/op") for name in arch)


def to_numbers(arch: Architecture) -> list[int]:
    """The authors' notation: of each layer the number of its operation, then 0 or 1 for each skip connection,
    that from the stem first.
    """
    numbers = []
    for k in range(1, _layers(arch) + 1):
        numbers.append(OPERATIONS.index(str(arch[f"layer{k}/op"])))
        numbers += [int(str(arch[skip.name])) for skip in Skips(k).decisions()]
    return numbers


def from_numbers(numbers: str | Sequence[int]) -> Architecture:
    """The architecture of a sequence of numbers, or of text with spaces between; its length tells the number
    of layers.

    Raises `UsageError` naming the layer for an unknown operation, a skip connection that is not 0 or 1, or
    numbers that end within a layer.
    """
    left = read_integers(numbers)
    if not left:
        raise UsageError("expected the numbers of one layer at least, got none")
    values: dict[str, Value] = {}
    k = 0
    while left:
        k += 1
        op, *left = left
        if not 0 <= op < len(OPERATIONS):
            known = ", ".join(f"{i} {name}" for i, name in enumerate(OPERATIONS))
            raise UsageError(f"layer {k} got operation {op}; known: {known}")
        values[f"layer{k}/op"] = OPERATIONS[op]
        skips = Skips(k).decisions()
        if len(left) < len(skips):
            raise UsageError(
                f"layer {k} needs {len(skips)} skip connections, but {len(left)} numbers are left"
            )
        for skip in skips:
            bit, *left = left
            if bit not in (0, 1):
                raise UsageError(f"{skip.name!r} is {bit}; expected 0 or 1")
            values[skip.name] = bit
    return Architecture(values)


ENAS_MACRO = (
    "0"
    " 3 0"
    " 0 1 0"
    " 2 0 0 1"
    " 2 0 0 0 0"
    " 3 1 1 0 1 0"
    " 2 0 0 0 0 0 1"
    " 2 0 1 1 0 1 1 1"
    " 1 0 1 1 1 0 1 0 1"
    " 0 0 0 0 0 0 0 0 0 0"
    " 2 0 0 0 0 0 1 0 0 0 0"
    " 0 1 0 0 1 1 0 0 0 0 1 1"
    " 2 0 1 0 0 0 0 0 1 0 1 1 0"
    " 1 0 0 1 0 0 0 1 1 1 0 1 0 1"
    " 0 1 1 0 1 0 1 0 0 0 0 0 1 0 0"
    " 2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1"
    " 2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0"
    " 2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1"
    " 3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0"
    " 3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1"
    " 0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0"
    " 3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0"
    " 0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0"
    " 0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"
)
"""The network of 24 layers that the authors found, as their code trains it with 96 channels."""
