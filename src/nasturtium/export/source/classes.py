"""Sorts a network's modules into classes: one for all that differ in numbers only, smallest first."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from nasturtium.core.errors import UsageError
from nasturtium.export.source.calls import Caller
from nasturtium.export.source.expressions import number
from nasturtium.export.source.forward import Forward, write_forward
from nasturtium.export.source.layers import is_torch_layer
from nasturtium.export.source.parameters import Parameters, parameters
from nasturtium.export.source.patterns import (
    Leaf,
    Make,
    ModuleSlot,
    Pattern,
    Slot,
    generalise,
    is_number,
    skeleton,
    slots,
)
from nasturtium.export.source.tracing import Survey, join

_LONGEST_PASSED_IN = 3  # layers of a Sequential, likewise
_MOST_PASSED_IN = 2  # children of different kinds that a class takes as arguments, before it is split instead


@dataclass(eq=False)
class Written:
    """One class of the file."""

    original: type[nn.Module]
    base: str  # nn.Module, or nn.Sequential and nn.ModuleList whose items are its children
    attributes: list[tuple[str, Pattern]]  # what the constructor sets, in order
    parameters: Parameters
    forward: Forward | None
    numbers: list[str]  # the numbers in the forward
    name: str = ""

    @property
    def doc(self) -> str | None:
        """The author's first sentence, unless it speaks of arguments, which are other ones here."""
        first = inspect.cleandoc(vars(self.original).get("__doc__") or "").split("\n\n")[0]
        sentence = re.split(r"(?<=\.)\s", " ".join(first.split()))[0]
        told = sentence.endswith(".") and len(sentence) <= 90
        return sentence if told and not re.search(r'[`"\\]', sentence) else None


@dataclass
class _Member:
    """One module that needs a class."""

    path: str
    module: nn.Module
    forward: Forward | None
    recursive: int = 0  # its height, where a class contains itself

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for modules that can share a class."""
        template = self.forward.template if self.forward else None
        return type(self.module), template, self.recursive, self.path == ""


@dataclass
class Classes:
    """The classes that a network needs, in the order to write them; the last is the network's own."""

    net: nn.Module
    survey: Survey
    written: list[Written] = field(default_factory=list)
    _calls: dict[str, Make] = field(default_factory=dict)  # by module path
    _groups: dict[tuple[Any, ...], list[_Member]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._members = {member.path: member for member in self._find("", self.net)}
        nested = {
            type(m.module)
            for m in self._members.values()
            if any(type(part) is type(m.module) for part in list(m.module.modules())[1:])
        }
        for member in self._members.values():
            if type(member.module) in nested:
                member.recursive = 1 + _height(member.module)
            self._groups.setdefault(member.key, []).append(member)
        self._call("", self.net)
        self._name()

    def _find(self, path: str, module: nn.Module) -> Iterator[_Member]:
        """All modules in use whose classes torch does not define."""
        trace = self.survey.traces.get(path)
        own = path == "" or not is_torch_layer(module)
        if trace is not None and trace.identity and path:
            return
        if own:
            try:
                yield _Member(path, module, write_forward(module, trace.graph) if trace else None)
            except UsageError as error:
                raise UsageError(
                    f"module {path!r} ({type(module).__name__}) can't be written as source: {error}"
                ) from error
        for name, child in module._modules.items():
            if child is not None and join(path, name) in self.survey.used:
                yield from self._find(join(path, name), child)

    def _call(self, path: str, module: nn.Module) -> Make:
        """The call that constructs the module at `path`."""
        trace = self.survey.traces.get(path)
        if path and trace is not None and trace.identity:
            return Make("nn.Identity")
        if path in self._members:
            if path not in self._calls:
                self._write(self._groups[self._members[path].key])
            return self._calls[path]
        return Caller(path, module, self.survey.used, self._call).call()

    def _write(self, group: list[_Member]) -> None:
        """Make one class of a group, or several where its members have too little in common."""
        for members in _split(group, _fixed_numbers):
            columns = [Caller(m.path, m.module, self.survey.used, self._call).attributes() for m in members]
            for chosen in _by_layout(columns):
                self._class([members[i] for i in chosen], [columns[i] for i in chosen])

    def _class(self, members: list[_Member], columns: list[list[tuple[str, Pattern]]]) -> None:
        attributes = _common(columns)
        texts, extra = _numbers(members)
        attributes = extra + attributes
        found = parameters([slot for _, pattern in attributes for slot in slots(pattern)])
        first = members[0]
        written = Written(type(first.module), _base(first.module), attributes, found, first.forward, texts)
        self.written.append(written)
        for i, member in enumerate(members):
            args: list[tuple[str, Pattern]] = []
            for p in found.all:
                value = p.values[i]
                args.append((p.name, value if isinstance(value, Make) else Leaf(p.name, value)))
            self._calls[member.path] = Make(written, tuple(args))

    def _name(self) -> None:
        """The author's names, numbered where classes of one name differ; the network itself is `Network`."""
        *others, network = self.written
        network.name = "Network"
        count = Counter(w.original.__name__ for w in others)
        seen: Counter[str] = Counter()
        for w in others:
            name = w.original.__name__
            seen[name] += 1
            w.name = (
                f"{name}{seen[name]}" if count[name] > 1 or name in ("Network", "Tensor", "Path") else name
            )


def _height(module: nn.Module) -> int:
    return max((1 + _height(child) for child in module.children()), default=0)


def _base(module: nn.Module) -> str:
    """Which class of torch makes the children that the class's own names are positions of."""
    numbered = [name for name, _ in module.named_children()] == [str(i) for i in range(len(module._modules))]
    for kind in (nn.Sequential, nn.ModuleList):
        if isinstance(module, kind) and numbered:
            return f"nn.{kind.__name__}"
    return "nn.Module"


def _split(members: list[_Member], key: Any) -> list[list[_Member]]:
    found: dict[Any, list[_Member]] = {}
    keys = key(members)
    for member, k in zip(members, keys, strict=True):
        found.setdefault(k, []).append(member)
    return list(found.values())


def _fixed_numbers(members: list[_Member]) -> list[tuple[Any, ...]]:
    """Per member the numbers in its forward that members differ in and do not keep as an attribute."""
    columns = _number_columns(members)
    differing = [c for c in columns if len(set(c)) > 1 and _kept_as(members, c) is None]
    return [tuple(column[i] for column in differing) for i in range(len(members))]


def _numbers(members: list[_Member]) -> tuple[list[str], list[tuple[str, Pattern]]]:
    """The text of each number in the forward, and the attributes that this needs."""
    texts: list[str] = []
    attributes: dict[str, Pattern] = {}
    for column in _number_columns(members):
        name = _kept_as(members, column) if len(set(column)) > 1 else None
        if name is None:
            texts.append(number(column[0]))
        else:
            texts.append(f"self.{name}")
            attributes[name] = Slot(name, name, column)
    return texts, list(attributes.items())


def _number_columns(members: Sequence[_Member]) -> list[tuple[Any, ...]]:
    return list(zip(*(m.forward.numbers for m in members if m.forward), strict=True))


def _kept_as(members: list[_Member], values: tuple[Any, ...]) -> str | None:
    """The attribute in which every member keeps its number."""
    for name in vars(members[0].module):
        public = not name.startswith("_") and name != "training"
        kept = [vars(m.module).get(name) for m in members]
        if public and all(is_number(value) for value in kept) and tuple(kept) == values:
            return name
    return None


def _by_layout(columns: list[list[tuple[str, Pattern]]]) -> list[list[int]]:
    """Which members share a class: the same attributes, and few children of different kinds."""
    names = [tuple(name for name, _ in column) for column in columns]
    found: list[list[int]] = []
    for layout in dict.fromkeys(names):
        same = [i for i, own in enumerate(names) if own == layout]
        common = _common([columns[i] for i in same], strict=False)
        passed = [slot for _, p in common for slot in slots(p) if isinstance(slot, ModuleSlot)]
        long = any(_is_long(call) for slot in passed for call in slot.values)
        if len(common) == len(layout) and len(passed) <= _MOST_PASSED_IN and not long:
            found.append(same)
            continue
        kinds: dict[Any, list[int]] = {}
        for i in same:
            kinds.setdefault(tuple(skeleton(p) for _, p in columns[i]), []).append(i)
        found += kinds.values()
    return found


def _is_long(call: Make) -> bool:
    return call.head in ("nn.Sequential", "OrderedDict") and len(call.args) > _LONGEST_PASSED_IN


def _common(columns: list[list[tuple[str, Pattern]]], *, strict: bool = True) -> list[tuple[str, Pattern]]:
    """The attributes of all members as patterns; those without a common form are left out."""
    patterns = [(row[0][0], generalise([p for _, p in row], row[0][0])) for row in zip(*columns, strict=True)]
    found = [(name, p) for name, p in patterns if p is not None]
    assert not strict or len(found) == len(patterns)
    return found
