"""A path through layers, each at one of several strides, at most one step from the layer before.

The network level of Auto-DeepLab (Liu et al. 2019, https://arxiv.org/abs/1901.02985). Where the path goes on
is decided at each layer and stride that it comes through, so every path stays inside by construction, and a
mixture weighs all ways out of a stride, as the transitions β of that paper do. A layer is fed by the two
layers before it. The paper's mixture feeds it what lies two layers back at its own stride; here it is what
led to the layer before, so that a single path of the mixture is the very network that it stands for.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import Tensor, nn

from nasturtium.modules.choice import Choice, add, current
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import When
from nasturtium.space.decision import Decision, Value


class Parts(Protocol):
    """Makes the modules of a trellis. Layers count from 1; 0 is the input, -1 what was given before it.

    Modules for the same place are interchangeable: outputs of one layer and stride have one shape.
    """

    def body(self, layer: int, stride: int) -> nn.Module:
        """Takes a list of two tensors, before and previous, that came through their entries."""

    def previous(self, layer: int, source: int, stride: int) -> nn.Module:
        """Entry `(x, like)` from the layer before at stride `source`; upwards `like` has the size wanted."""

    def before(self, layer: int, source: int, stride: int) -> nn.Module:
        """Entry `(x, like)` from two layers before at stride `source`; `like` has the size wanted."""

    def skip(self, layer: int) -> nn.Module:
        """Takes the output of `layer` at the first stride."""

    def end(self, stride: int) -> nn.Module:
        """Takes `(x, like)`: the last layer's output at `stride`, and the trellis's own input."""


class Trellis(Choice):
    """A path from the first of `strides` through `layers` layers; the modules are made by `parts`.

    Decision `<name>/<layer>/<stride>` is the stride of the next layer, made if the path comes there. The
    bodies must share their decisions by name: these are made wherever the path goes. Returns two tensors:
    `skip` of the last output before the path first leaves the first stride, and `end` of the last output.
    """

    def __init__(self, name: str, strides: Sequence[int], layers: int, parts: Parts) -> None:
        super().__init__()
        self.name, self.strides, self.layers = name, tuple(strides), layers
        self.path_of = partial(path_of, name=name, first=self.strides[0], layers=layers)
        arch = current().arch
        path = None if arch is None else self.path_of(arch)
        places = [(layer, s) for layer in range(1, layers + 1) for s in self._reached(layer, path)]
        self.junctions = nn.ModuleDict(
            {
                _key(layer, s): Junction(f"{name}/{layer}/{s}", neighbours(s, self.strides))
                for layer, s in [(0, self.strides[0]), *places]
                if layer < layers
            }
        )
        self.stops = nn.ModuleDict(
            {
                _key(layer, s): Stop(self.path_of, layer, s, self._routes(layer, s, path), parts)
                for layer, s in (places[:1] if current().outline else places)  # all make the same decisions
            }
        )
        taps = range(layers + 1) if path is None else [tap(path)]
        self.skips = nn.ModuleDict({str(layer): parts.skip(layer) for layer in taps})
        self.ends = nn.ModuleDict({str(s): parts.end(s) for s in self._reached(layers, path)})

    def _reached(self, layer: int, path: Sequence[int] | None = None) -> tuple[int, ...]:
        """The strides that a layer may have: all that can be reached, or the one on `path`."""
        return self.strides[: max(layer, 0) + 1] if path is None else (path[max(layer, 0)],)

    def _routes(self, layer: int, stride: int, path: Sequence[int] | None) -> list[tuple[int, int]]:
        """The strides of the two layers before, for every way to get here."""
        return [
            (before, previous)
            for previous in self._reached(layer - 1, path)
            if previous in neighbours(stride, self.strides)
            for before in self._reached(layer - 2, path)
            if before in neighbours(previous, self.strides)
        ]

    def decisions(self) -> tuple[Decision, ...]:
        """None: the junctions make them."""
        return ()

    def branches(self) -> Iterable[tuple[When | None, nn.Module]]:
        """All layers; and each junction under every decision that leads to it."""
        for module in (*self.stops.values(), *self.skips.values(), *self.ends.values()):
            yield None, module
        for key, junction in self.junctions.items():
            layer, stride = map(int, key.split("_"))
            if layer == 0:
                yield None, junction
                continue
            for source in self._reached(layer - 1):
                if stride in neighbours(source, self.strides):
                    yield When(f"{self.name}/{layer - 1}/{source}", frozenset([stride])), junction

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The layers on the path, one after the other."""
        path = self.path_of(arch)
        stops = [inner(self.stops[_key(layer, s)]) for layer, s in enumerate(path) if layer]
        skip, end = self.skips[str(tap(path))], self.ends[str(path[-1])]
        return Path(path, stops, inner(skip), inner(end))

    def forward(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """`x` at the first stride, and the features that it was made of → what `skip` and `end` give."""
        first = self.strides[0]
        here = {first: Reached(x, [Arrival(first, before, None)])}
        sizes, walked = {first: x}, []
        for layer in range(1, self.layers + 1):
            ways = {stride: self._ways(layer - 1, stride) for stride in here}
            walked.append((here.get(first), ways.get(first, {})))
            here = self._next(layer, here, ways, sizes)
        walked.append((here.get(first), {}))
        deep = add(self.ends[str(stride)](reached.x, x) for stride, reached in here.items())
        return self._low(walked), deep

    def _ways(self, layer: int, stride: int) -> dict[int, Tensor | None]:
        """Where the path goes on, with weights if the gate has any."""
        gate = self.gate(f"{self.name}/{layer}/{stride}")
        options = neighbours(stride, self.strides)
        weights = [None] * len(gate.index) if gate.weight is None else list(gate.weight)
        return {options[i]: weight for i, weight in zip(gate.index, weights, strict=True)}

    def _next(
        self,
        layer: int,
        here: "Mapping[int, Reached]",
        ways: Mapping[int, Mapping[int, Tensor | None]],
        sizes: dict[int, Tensor],
    ) -> "dict[int, Reached]":
        """What is reached in this layer; `sizes` has a tensor of the size of each stride met so far."""
        reached = {}
        for stride in self.strides:
            came = [Arrival(s, here[s].x, ways[s][stride]) for s in here if stride in ways[s]]
            if came:
                stop = self.stops[_key(layer, stride)]
                outputs = [
                    weighted(stop(here[c.stride].came, c, sizes.get(stride, c.x)), c.weight) for c in came
                ]
                reached[stride] = Reached(add(outputs), came)
                sizes.setdefault(stride, outputs[0])
        return reached

    def _low(self, walked: "Sequence[tuple[Reached | None, Mapping[int, Tensor | None]]]") -> Tensor:
        """The sum over layers after which the first stride may be left, for the first time or at the end."""
        found, share = [], None
        for layer, (reached, ways) in enumerate(walked):
            if reached is None:  # only a single path is ever altogether elsewhere
                break
            leaving = {s: weight for s, weight in ways.items() if s != self.strides[0]}
            if leaving or not ways:
                weight = next(iter(leaving.values()), None)
                low = self.skips[str(layer)](reached.x)
                found.append(weighted(weighted(low, weight), share))
            if self.strides[0] not in ways:
                break
            stays = ways[self.strides[0]]
            share = stays if share is None else share if stays is None else share * stays
        return add(found)


@dataclass(frozen=True)
class Arrival:
    """A tensor on its way out of a layer at `stride`; weight None is one."""

    stride: int
    x: Tensor
    weight: Tensor | None


@dataclass(frozen=True)
class Reached:
    """The output of a layer at one stride, and what came in."""

    x: Tensor
    came: Sequence[Arrival]


class Junction(Choice):
    """Where a path goes on from one layer and stride. It holds no modules: the trellis reads its gate."""

    def __init__(self, name: str, options: Sequence[int]) -> None:
        super().__init__()
        self.decision = Decision(name, tuple(options), ordered=True)

    def decisions(self) -> tuple[Decision, ...]:
        """The stride of the next layer."""
        return (self.decision,)

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """Nothing is left of it."""
        return nn.Identity()


class Stop(Choice):
    """One layer at one stride: a body, with an entry for each stride that the two layers before may have."""

    def __init__(
        self,
        path_of: Callable[[Architecture], tuple[int, ...]],
        layer: int,
        stride: int,
        routes: Sequence[tuple[int, int]],
        parts: Parts,
    ) -> None:
        super().__init__()
        self.path_of, self.layer = path_of, layer
        befores, previous = (sorted(set(sources)) for sources in zip(*routes, strict=True))
        self.before = nn.ModuleDict({str(s): parts.before(layer, s, stride) for s in befores})
        self.previous = nn.ModuleDict({str(s): parts.previous(layer, s, stride) for s in previous})
        self.body = parts.body(layer, stride)

    def decisions(self) -> tuple[Decision, ...]:
        """None of its own."""
        return ()

    def branches(self) -> Iterator[tuple[When | None, nn.Module]]:
        """All parts."""
        for module in (*self.before.values(), *self.previous.values(), self.body):
            yield None, module

    def derive(self, arch: Architecture, inner: Callable[[nn.Module], nn.Module]) -> nn.Module:
        """The body with the two entries that the path takes."""
        path = self.path_of(arch)
        before, previous = path[max(self.layer - 2, 0)], path[self.layer - 1]
        return Fed(inner(self.before[str(before)]), inner(self.previous[str(previous)]), inner(self.body))

    def forward(self, came: Sequence[Arrival], arrival: Arrival, like: Tensor) -> Tensor:
        """What `arrival` gives, which itself was made of what `came` two layers before."""
        y = self.previous[str(arrival.stride)](arrival.x, like)
        x = add(weighted(self.before[str(c.stride)](c.x, y), c.weight) for c in came)
        return self.body([x, y])


class Fed(nn.Module):
    """A layer of a derived path with its two entries."""

    def __init__(self, before: nn.Module, previous: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.before, self.previous, self.body = before, previous, body

    def forward(self, x: Tensor, y: Tensor, like: Tensor) -> Tensor:
        """Outputs of the two layers before; `like` has the size of this layer where the path goes up."""
        y = self.previous(y, like)
        return self.body([self.before(x, y), y])


class Path(nn.Module):
    """A derived trellis."""

    def __init__(
        self, strides: Sequence[int], layers: Sequence[nn.Module], skip: nn.Module, end: nn.Module
    ) -> None:
        super().__init__()
        self.strides, self.tap = tuple(strides), tap(strides)
        self.layers = nn.ModuleList(layers)
        self.skip, self.end = skip, end

    def forward(self, before: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """As the trellis."""
        states, sizes = [x], {self.strides[0]: x}
        for stride, layer in zip(self.strides[1:], self.layers, strict=True):
            y = layer(before, states[-1], sizes.get(stride, states[-1]))
            before = states[-1]
            states.append(y)
            sizes.setdefault(stride, y)
        return self.skip(states[self.tap]), self.end(states[-1], x)


def path_of(arch: Architecture, name: str, first: int, layers: int) -> tuple[int, ...]:
    """The stride of the input and of each layer on the path that `arch` takes through trellis `name`."""
    path = [first]
    for layer in range(layers):
        stride = arch[f"{name}/{layer}/{path[-1]}"]
        assert isinstance(stride, int)
        path.append(stride)
    return tuple(path)


def path_values(name: str, path: Sequence[int]) -> dict[str, Value]:
    """The decisions of trellis `name` that make `path`, the strides of the input and of each layer."""
    return {
        f"{name}/{layer}/{stride}": following
        for layer, (stride, following) in enumerate(itertools.pairwise(path))
    }


def neighbours(stride: int, strides: Sequence[int]) -> tuple[int, ...]:
    """The strides at most one step from `stride`."""
    at = strides.index(stride)
    return tuple(strides[max(at - 1, 0) : at + 2])


def tap(path: Sequence[int]) -> int:
    """The last layer before a path first leaves its first stride; 0 is the input."""
    return next((layer for layer, s in enumerate(path[1:]) if s != path[0]), len(path) - 1)


def weighted(x: Tensor, weight: Tensor | None) -> Tensor:
    """`x` times a weight; None is one."""
    return x if weight is None else x * weight


def _key(layer: int, stride: int) -> str:
    return f"{layer}_{stride}"
