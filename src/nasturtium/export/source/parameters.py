"""The constructor parameters of a written class: few, well named, the others computed from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nasturtium.export.source.patterns import ModuleSlot, Slot

_WIDTHS = ("channels", "features", "groups", "dim", "normalized_shape")
_CONTAINERS = ("nn.ModuleList", "nn.ModuleDict", "nn.Sequential")


@dataclass
class Parameter:
    """One parameter: its name, its type as text, its value for each instance, and its family."""

    name: str
    type: str
    values: tuple[Any, ...]
    family: str  # "module", "width", or the role itself

    @property
    def positional(self) -> bool:
        """Whether calls pass it by position."""
        return self.family in ("module", "width")


@dataclass
class Parameters:
    """All parameters of a class, and the text that stands for each slot of its constructor.

    Texts hold parameters by position, `{0}`, because names are given when all parameters are known.
    """

    all: list[Parameter] = field(default_factory=list)
    _numbers: dict[tuple[str, tuple[Any, ...]], str] = field(default_factory=dict)
    _modules: dict[int, str] = field(default_factory=dict)

    def of(self, slot: Slot | ModuleSlot) -> str:
        """The expression for a slot."""
        if isinstance(slot, ModuleSlot):
            return self._modules[id(slot)]
        return self._numbers[_family(slot.role), slot.values].format(*(p.name for p in self.all))


def parameters(slots: Sequence[Slot | ModuleSlot]) -> Parameters:
    """Parameters for the slots of a class, in reading order: modules, then widths, then the rest."""
    found = Parameters()
    for slot in slots:
        if isinstance(slot, ModuleSlot):
            found._modules[id(slot)] = _add_module(found, slot, slots)
    numbers = [slot for slot in slots if isinstance(slot, Slot)]
    for slot in sorted(numbers, key=lambda slot: _rank(slot.role)):
        key = _family(slot.role), slot.values
        if key not in found._numbers:
            found._numbers[key] = _derived(slot, found.all) or _add_number(found, slot, numbers)
    _number_equal_names(found.all)
    return found


def _add_module(found: Parameters, slot: ModuleSlot, slots: Sequence[Slot | ModuleSlot]) -> str:
    heads = {call.head for call in slot.values}
    kind = heads.pop() if len(heads) == 1 else None
    single = _called(slot) if kind in _CONTAINERS else _called(slot).removesuffix("s")
    alone = sum(isinstance(s, ModuleSlot) and _called(s) == _called(slot) for s in slots) == 1
    taken = {p.name for p in found.all}
    wish = single if alone else next(f"{single}{i}" for i in range(1, 100) if f"{single}{i}" not in taken)
    found.all.append(Parameter(wish, kind if kind in _CONTAINERS else "nn.Module", slot.values, "module"))
    return wish


def _called(slot: ModuleSlot) -> str:
    """The name of a child; those of a container have only positions."""
    return "layer" if slot.attribute.isdecimal() else slot.attribute


def _add_number(found: Parameters, slot: Slot, slots: Sequence[Slot]) -> str:
    roles = [s.role for s in slots if s.values == slot.values and _family(s.role) == _family(slot.role)]
    name = slot.role if slot.role == slot.attribute else _spoken(roles)
    found.all.append(Parameter(name, _type(slot.values), slot.values, _family(slot.role)))
    return f"{{{len(found.all) - 1}}}"


def _spoken(roles: Sequence[str]) -> str:
    """The name of a number that is passed on as these arguments."""
    both = any("in_" in role for role in roles) and any("out_" in role for role in roles)
    role = next((r for r in roles if "in_" in r or "out_" in r), roles[0]).rstrip("0123456789")
    if both:
        return "features" if "features" in role else "channels"
    return "channels" if role in ("num_features", "num_channels", "groups", "normalized_shape") else role


def _number_equal_names(found: Sequence[Parameter]) -> None:
    count = Counter(p.name for p in found)
    seen: Counter[str] = Counter()
    for p in found:
        seen[p.name] += 1
        if count[p.name] > 1:
            p.name = f"{p.name}{seen[p.name]}"


def _derived(slot: Slot, found: Sequence[Parameter]) -> str | None:
    """The slot computed from the parameters so far."""
    if not all(isinstance(value, int) for value in slot.values):
        return None
    bases = [(f"{{{i}}}", p) for i, p in enumerate(found) if all(isinstance(v, int) for v in p.values)]
    if slot.role == "padding":
        return _padding(slot.values, bases)
    if _family(slot.role) != "width":
        return None
    for name, base in bases:
        if base.family != "width" or not all(base.values) or not all(slot.values):
            continue
        larger, smaller = slot.values[0] // base.values[0], base.values[0] // slot.values[0]
        if 1 < larger <= 64 and all(v == larger * b for v, b in zip(slot.values, base.values, strict=True)):
            return f"{larger} * {name}"
        if 1 < smaller <= 64 and all(b == smaller * v for v, b in zip(slot.values, base.values, strict=True)):
            return f"{name} // {smaller}"
    return None


def _padding(values: tuple[Any, ...], bases: Sequence[tuple[str, Parameter]]) -> str | None:
    kernels = [(name, p.values) for name, p in bases if p.family == "kernel_size"]
    dilations = [(name, p.values) for name, p in bases if p.family == "dilation"]
    for dilation, by in dilations:
        if values == by:
            return dilation
        for kernel, sizes in kernels:
            if values == tuple(d * (k // 2) for d, k in zip(by, sizes, strict=True)):
                return f"{dilation} * ({kernel} // 2)"
    for kernel, sizes in kernels:
        for factor in (1, 2, 3):
            if values == tuple(factor * (k // 2) for k in sizes):
                return f"{kernel} // 2" if factor == 1 else f"{factor} * ({kernel} // 2)"
    return None


def _family(role: str) -> str:
    """Numbers are one parameter only within a family: a stride that happens to equal a width is none."""
    name = role.rstrip("0123456789")
    if name.endswith(_WIDTHS):
        return "width"
    return next(
        (known for known in ("kernel_size", "stride", "padding", "dilation") if name.endswith(known)), name
    )


def _rank(role: str) -> int:
    """Widths first, from input to output; padding, which is often computed from the others, last."""
    if _family(role) == "width":
        return 0 if "in_" in role else 2 if "out_" in role else 1
    return 4 if role == "padding" else 3


def _type(values: tuple[Any, ...]) -> str:
    """The annotation for these numbers."""
    found = []
    for value in values:
        if isinstance(value, tuple):
            name = "tuple[" + ", ".join(_type((item,)) for item in value) + "]"
        else:
            name = type(value).__name__
        if name not in found:
            found.append(name)
    return "float" if set(found) == {"int", "float"} else " | ".join(sorted(found))
