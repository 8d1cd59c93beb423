"""The constructor calls of containers, layers and directly held tensors, as data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.export.source.layers import constructor
from nasturtium.export.source.patterns import Leaf, Make, Pattern
from nasturtium.export.source.tracing import join

_LARGEST_LITERAL = 64  # elements of a tensor that is written out


@dataclass
class Caller:
    """Writes the calls for one module; `inner` gives that of a child at a path."""

    path: str
    module: nn.Module
    used: set[str]
    inner: Callable[[str, nn.Module], Make]

    def call(self) -> Make:
        """The call of a class of `torch.nn`."""
        kind = type(self.module)
        if kind is nn.Sequential or kind is nn.ModuleList:
            numbered = list(self.module._modules) == [str(i) for i in range(len(self.module._modules))]
            items = tuple(self._items())
            return Make(f"nn.{kind.__name__}" if numbered else "OrderedDict", items)
        if kind is nn.ModuleDict:
            return Make("nn.ModuleDict", tuple(item for item in self._items() if self._in_use(item[0])))
        if isinstance(self.module, nn.ParameterList | nn.ParameterDict):
            items = tuple((name, _zeros(p)) for name, p in self.module.named_parameters(recurse=False))
            return Make(f"nn.{kind.__name__}", items)
        leaves = constructor(self.module, self.path)
        return Make(
            f"nn.{kind.__name__}",
            tuple((a.name, Leaf(a.name, a.value, a.default, a.required)) for a in leaves),
        )

    def attributes(self) -> list[tuple[str, Pattern]]:
        """What the constructor of a class of one's own sets: tensors, then children that are in use."""
        found: list[tuple[str, Pattern]] = []
        for name, parameter in self.module.named_parameters(recurse=False):
            found.append((name, Make("nn.Parameter", (("", _zeros(parameter)),))))
        for name, buffer in self.module.named_buffers(recurse=False):
            lasting = name not in self.module._non_persistent_buffers_set
            value = _zeros(buffer) if lasting else self._literal(name, buffer)
            found.append((name, Make("buffer" if lasting else "passing buffer", (("", value),))))
        positions = isinstance(self.module, nn.Sequential | nn.ModuleList)
        return found + [item for item in self._items() if positions or self._in_use(item[0])]

    def _items(self) -> Iterator[tuple[str, Make]]:
        """All children; in a list, something has to stand in for those that evaluation does not use."""
        for name, child in self.module._modules.items():
            if child is not None:
                used = self._in_use(name)
                yield name, self.inner(join(self.path, name), child) if used else Make("nn.Identity")

    def _in_use(self, name: str) -> bool:
        return join(self.path, name) in self.used

    def _literal(self, name: str, buffer: Tensor) -> Make:
        """A buffer that is not among the weights."""
        if buffer.numel() > _LARGEST_LITERAL:
            raise UsageError(
                f"module {self.path!r} ({type(self.module).__name__}) can't be written as source: its buffer"
                f" {name!r} is not saved with the weights and too large to be written out; register it with"
                " persistent=True"
            )
        data = tuple(_shortest(value) for value in buffer.flatten().tolist())
        shape = Leaf("shape", tuple(buffer.shape))
        usual = buffer.dtype in (torch.float32, torch.int64, torch.bool)
        dtype = () if usual else (("dtype", Leaf("dtype", buffer.dtype)),)
        return Make("literal", (("data", Leaf("data", data)), ("shape", shape), *dtype))


def _zeros(tensor: Tensor) -> Make:
    """A tensor of the same shape and type, to be filled from the weights."""
    widths = {1: 0, 4: 1}.get(tensor.dim())
    sizes = [(f"size{i}", "channels" if i == widths else f"size{i}", n) for i, n in enumerate(tensor.shape)]
    return Make("torch.zeros", (*((key, Leaf(role, n)) for key, role, n in sizes), *_dtype(tensor)))


def _dtype(tensor: Tensor) -> tuple[tuple[str, Leaf], ...]:
    usual = tensor.dtype in (torch.float32,)
    return () if usual else (("dtype", Leaf("dtype", tensor.dtype)),)


def _shortest(value: float) -> float:
    """The shortest number that is the same in single precision, where that is all it holds."""
    short = float(f"{value:.7g}") if isinstance(value, float) else value
    return short if torch.tensor(short) == torch.tensor(value) else value
