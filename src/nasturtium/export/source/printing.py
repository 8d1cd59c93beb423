"""The classes of a network as Python source."""

from collections.abc import Sequence
from itertools import groupby

from torch import nn

from nasturtium.export.source.classes import Written
from nasturtium.export.source.expressions import fill, number
from nasturtium.export.source.layout import Bracket, Doc, bracket, lines, text
from nasturtium.export.source.parameters import Parameters
from nasturtium.export.source.patterns import Leaf, Make, ModuleSlot, Pattern, Slot, is_number

_MANY = 3  # equal items in a row that are written once, with their number


def class_source(written: Written, *, doc: str | None, last: Sequence[str] = ()) -> str:
    """The source of one class; `last` are statements for the end of its constructor."""
    body: list[str] = [f'    """{doc}"""', ""] if doc else []
    buffers = [name for name, p in written.attributes if _is_buffer(p)]
    body += [f"    {name}: Tensor" for name in buffers] + ([""] if buffers else [])
    parts = [_constructor(written, last), _forward(written)]
    body += "\n\n".join("\n".join(part) for part in parts if part).splitlines()
    return "\n".join([f"class {written.name}({written.base}):", *(body or ["    pass"])])


def _constructor(written: Written, last: Sequence[str]) -> list[str]:
    items = [text("self")] + [text(f"{p.name}: {p.type}") for p in written.parameters.all]
    found = lines("def __init__" + bracket("(", items, ") -> None:"), 4)
    if written.base == "nn.Module":
        if not written.attributes:
            return []
        found.append("        super().__init__()")
        children = written.attributes
    else:
        positions = [(name, p) for name, p in written.attributes if name.isdecimal()]
        children = [(name, p) for name, p in written.attributes if not name.isdecimal()]
        docs = [_call(p, written.parameters) for _, p in positions]
        start = "super().__init__"
        listed = written.base == "nn.ModuleList"
        found += lines(_list(start, docs) if listed else bracket(f"{start}(", _repeated(docs), ")"), 8)
    for name, pattern in children:
        found += lines(_attribute(name, pattern, written.parameters), 8)
    return found + [f"        {line}" for line in last]


def _attribute(name: str, pattern: Pattern, parameters: Parameters) -> Doc:
    """The statement that sets one attribute."""
    if isinstance(pattern, Make) and _is_buffer(pattern):
        value = _call(pattern.args[0][1], parameters)
        passing = [text("persistent=False")] if "passing" in pattern.head else []
        return bracket("self.register_buffer(", [text(f'"{name}"'), value, *passing], ")")
    value = _call(pattern, parameters)
    if name.isidentifier():
        return f"self.{name} = " + value
    return bracket("self.add_module(", [text(f'"{name}"'), value], ")")


def _is_buffer(pattern: Pattern) -> bool:
    return isinstance(pattern, Make) and pattern.head in ("buffer", "passing buffer")


def _call(pattern: Pattern, parameters: Parameters) -> Doc:
    """A constructor call, or the value that stands in its place."""
    if isinstance(pattern, Slot | ModuleSlot):
        return text(parameters.of(pattern))
    if isinstance(pattern, Leaf):
        return text(_value(pattern.value))
    docs = [_call(arg, parameters) for _, arg in pattern.args]
    names = [name for name, _ in pattern.args]
    if isinstance(pattern.head, Written):
        return _own(pattern.head, docs)
    if pattern.head in ("nn.ModuleList", "nn.ParameterList"):
        return _list(pattern.head, docs)
    if pattern.head in ("nn.ModuleDict", "nn.ParameterDict"):
        entries = [text(f'"{name}": ') + doc for name, doc in zip(names, docs, strict=True)]
        return bracket(f"{pattern.head}({{", entries, "})")
    if pattern.head == "OrderedDict":
        entries = [f"{name}=" + doc for name, doc in zip(names, docs, strict=True)]
        return bracket("nn.Sequential(OrderedDict(", entries, "))")
    if pattern.head == "nn.Sequential":
        return bracket("nn.Sequential(", _repeated(docs), ")")
    if pattern.head == "literal":
        return _literal(pattern, docs)
    if pattern.head == "torch.zeros":
        return _zeros(names, docs)
    return bracket(f"{pattern.head}(", _arguments(pattern, docs), ")")


def _literal(pattern: Make, docs: Sequence[Doc]) -> Doc:
    """A tensor with its values, as a list that is given its shape."""
    (_, data), (_, shape) = pattern.args[:2]
    items = bracket("[", map(text, map(_value, data.value)), "]") if isinstance(data, Leaf) else docs[0]
    written = bracket("torch.tensor(", [items, *["dtype=" + doc for doc in docs[2:]]], ")")
    assert isinstance(shape, Leaf)
    flat = len(shape.value) == 1
    return written if flat else written + f".view({docs[1].flat.strip('(),')})"


def _zeros(names: Sequence[str], docs: Sequence[Doc]) -> Doc:
    sizes = [doc for name, doc in zip(names, docs, strict=True) if name != "dtype"]
    dtype = [f"dtype={doc.flat}" for name, doc in zip(names, docs, strict=True) if name == "dtype"]
    return bracket("torch.zeros(", (sizes or [text("()")]) + [text(d) for d in dtype], ")")


def _arguments(call: Make, docs: Sequence[Doc]) -> list[Doc]:
    """Required arguments by position, optional ones by name if they are no defaults."""
    found = []
    for (name, arg), doc in zip(call.args, docs, strict=True):
        required = getattr(arg, "required", True)
        if isinstance(arg, Leaf) and not required and _same(arg.value, arg.default):
            continue
        found.append(doc if required and name != "dtype" else f"{name}=" + doc)
    return found


def _own(written: Written, docs: Sequence[Doc]) -> Doc:
    """A call of a class of the file."""
    pairs = zip(written.parameters.all, docs, strict=True)
    return bracket(f"{written.name}(", [doc if p.positional else f"{p.name}=" + doc for p, doc in pairs], ")")


def _same(value: object, default: object) -> bool:
    return value == default and isinstance(value, bool) == isinstance(default, bool)


def _repeated(docs: Sequence[Doc]) -> list[Doc]:
    """Items with many equal ones in a row as a comprehension."""
    found: list[Doc] = []
    for _, run in groupby(docs, key=_flat):
        items = list(run)
        times = text(f"for _ in range({len(items)})")
        found += items if len(items) < _MANY else [bracket("*[", [items[0], times], "]", separator=" ")]
    return found


def _list(head: str, docs: Sequence[Doc]) -> Doc:
    """A ModuleList; if all its items are equal, the comprehension is the list."""
    items = _repeated(docs)
    if len(items) == 1 < len(docs) and isinstance(items[0].parts[0], Bracket):
        return bracket(f"{head}([", items[0].parts[0].items, "])", separator=" ")
    return bracket(f"{head}([", items, "])")


def _flat(doc: Doc) -> str:
    return doc.flat


def _value(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, int | float) and is_number(value):
        return number(value)
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_value, value)) + (",)" if len(value) == 1 else ")")
    return str(value)


def _forward(written: Written) -> list[str]:
    forward = written.forward
    inherited = written.base == "nn.Sequential" and written.original.forward is nn.Sequential.forward
    if forward is None or inherited:
        return []
    items = [text("self")] + [text(f"{name}: Tensor") for name in forward.parameters]
    found = lines("def forward" + bracket("(", items, f") -> {forward.returns}:"), 4)
    for indent, doc in forward.statements:
        found += lines(fill(doc, written.numbers), 8 + indent)
    return found
