"""One node of a traced forward as the Python expression that a person would write for it."""

import inspect
import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from nasturtium.core.errors import UsageError
from nasturtium.export.source.layout import Bracket, Doc, bracket, text

ATOM = 9
_INFIX: dict[Any, tuple[str, int]] = {
    operator.add: ("+", 5),
    operator.sub: ("-", 5),
    operator.mul: ("*", 6),
    operator.truediv: ("/", 6),
    operator.floordiv: ("//", 6),
    operator.mod: ("%", 6),
    operator.matmul: ("@", 6),
    operator.pow: ("**", 8),
    operator.gt: (">", 1),
    operator.ge: (">=", 1),
    operator.lt: ("<", 1),
    operator.le: ("<=", 1),
    operator.eq: ("==", 1),
    operator.ne: ("!=", 1),
    operator.and_: ("&", 3),
    operator.or_: ("|", 2),
}
_PREFIX = {operator.neg: "-", operator.invert: "~"}
_NUMBER = re.compile(r"⟦(\d+)⟧")


@dataclass(frozen=True)
class Expr:
    """An expression, how tightly it binds, how deep its calls are nested, and the variables in it."""

    doc: Doc
    binds: int = ATOM
    depth: int = 0
    variables: frozenset[fx.Node] = frozenset()


@dataclass
class Numbers:
    """The numbers in a forward, each replaced by a mark: forwards equal but for numbers get equal text."""

    values: list[int | float] = field(default_factory=list)

    def mark(self, value: int | float) -> Doc:
        """The mark of one more number."""
        self.values.append(value)
        return text(f"⟦{len(self.values) - 1}⟧")


def fill(doc: Doc, values: list[str]) -> Doc:
    """`doc` with the texts of `values` in place of the marks."""

    def filled(part: str | Bracket) -> str | Bracket:
        if isinstance(part, Bracket):
            items = tuple(fill(item, values) for item in part.items)
            return Bracket(filled_text(part.open), items, part.close, part.separator)
        return filled_text(part)

    def filled_text(piece: str) -> str:
        return _NUMBER.sub(lambda mark: values[int(mark.group(1))], piece)

    return Doc(tuple(filled(part) for part in doc.parts))


def number(value: int | float) -> str:
    """A number as Python source."""
    return repr(value) if math.isfinite(value) else f'float("{value}")'


def expression(
    node: fx.Node, module: nn.Module, operand: Callable[[fx.Node], Expr], numbers: Numbers
) -> Expr:
    """What `node` computes; `operand` gives the expression of a node that it uses.

    Raises `UsageError` for a function or an argument that has no plain spelling.
    """
    used: list[Expr] = []

    def value(x: Any, least: int = 0) -> Doc:
        if isinstance(x, fx.Node):
            expr = operand(x)
            used.append(expr)
            return expr.doc if expr.binds >= least else bracket("(", [expr.doc], ")")
        return _constant(x, value, numbers)

    doc, binds = _write(node, module, value)
    call = 0 if binds < ATOM or node.op == "get_attr" or node.target in (getattr, operator.getitem) else 1
    depth = call + max((expr.depth for expr in used), default=0)
    return Expr(doc, binds, depth, frozenset().union(*(expr.variables for expr in used)))


def _write(node: fx.Node, module: nn.Module, value: Callable[..., Doc]) -> tuple[Doc, int]:
    args, target = node.args, node.target
    if node.op == "get_attr":
        return text(attribute(module, str(target))), ATOM
    if node.op == "call_module":
        return _call(text(attribute(module, str(target))), args, node.kwargs, value), ATOM
    if node.op == "call_method":
        return _call(value(args[0], ATOM) + f".{target}", args[1:], node.kwargs, value), ATOM
    if node.op == "output":
        return _returned(args[0], value), 0
    if target in _INFIX and len(args) == 2:
        sign, binds = _INFIX[target]
        left = binds + (sign == "**" or binds == 1)  # powers group to the right, comparisons would chain
        right = binds + (sign != "**")
        return value(args[0], left) + f" {sign} " + value(args[1], right), binds
    if target in _PREFIX:
        return _PREFIX[target] + value(args[0], 7), 7
    if target is getattr:
        return value(args[0], ATOM) + f".{args[1]}", ATOM
    if target is operator.getitem:
        index = args[1] if isinstance(args[1], tuple) else (args[1],)
        return value(args[0], ATOM) + "[" + Doc(
            bracket("", [_index(i, value) for i in index], "").parts
        ) + "]", ATOM
    return _call(text(_function(target)), args, _said(target, node.kwargs), value), ATOM


def _call(function: Doc, args: Iterable[Any], kwargs: dict[str, Any], value: Callable[..., Doc]) -> Doc:
    items = [value(x) for x in args] + [f"{name}=" + value(x) for name, x in kwargs.items()]
    return function + bracket("(", items, ")")


def _said(function: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments that are not what the function takes anyway."""
    try:
        # pooling functions hide their arguments behind a dispatch
        shown = getattr(F, f"{_function(function)[2:]}_with_indices", function)
        known = inspect.signature(shown).parameters
    except (TypeError, ValueError):  # functions of the C++ library do not tell
        return kwargs
    return {name: x for name, x in kwargs.items() if name not in known or not _same(x, known[name].default)}


def _same(x: Any, default: Any) -> bool:
    return type(x) is type(default) and not isinstance(x, fx.Node) and bool(x == default)


def _returned(x: Any, value: Callable[..., Doc]) -> Doc:
    if isinstance(x, tuple) and len(x) > 1:
        return bracket("", [value(item) for item in x], "")
    return value(x)


def _index(x: Any, value: Callable[..., Doc]) -> Doc:
    """One subscript, slices with colons."""
    if not isinstance(x, slice):
        return value(x)
    start, stop, step = ("" if part is None else value(part).flat for part in (x.start, x.stop, x.step))
    return text(f"{start}:{stop}" + (f":{step}" if step else ""))


def _constant(x: Any, value: Callable[..., Doc], numbers: Numbers) -> Doc:
    if x is None or isinstance(x, bool | str):
        return text('"' + x + '"' if isinstance(x, str) and '"' not in x and "\\" not in x else repr(x))
    if isinstance(x, int | float):
        return numbers.mark(x)
    if isinstance(x, list):
        return bracket("[", [value(item) for item in x], "]")
    if isinstance(x, tuple):
        return bracket("(", [value(item) for item in x], ",)" if len(x) == 1 else ")")
    if isinstance(x, dict):
        return bracket("{", [value(key) + ": " + value(item) for key, item in x.items()], "}")
    if isinstance(x, torch.dtype | torch.memory_format | torch.layout):
        return text(str(x))
    if isinstance(x, torch.device):
        return text(f'torch.device("{x}")')
    if x is ...:
        return text("...")
    raise UsageError(f"its forward uses a {type(x).__name__} ({x!r}) that has no plain spelling")


def _function(target: Any) -> str:
    """The public name of a function."""
    name = getattr(target, "__name__", "")
    for prefix, room in (("F", F), ("torch", torch), ("math", math)):
        if getattr(room, name, None) is target:
            return f"{prefix}.{name}"
        # dispatching functions such as F.max_pool2d carry another name inside
        found = [known for known, function in vars(room).items() if function is target and known[0] != "_"]
        if found:
            return f"{prefix}.{found[0]}"
    for room in (torch.linalg, torch.fft, torch.special):
        if getattr(room, name, None) is target:
            return f"{room.__name__}.{name}"
    raise UsageError(f"its forward calls {name or target!r}, which is no public function of torch")


def attribute(module: nn.Module, path: str) -> str:
    """How `module` itself reaches what lies at `path`, e.g. `self.blocks[0].conv`."""
    written = "self"
    at: Any = module
    for name in path.split("."):
        if isinstance(at, nn.ModuleList | nn.Sequential | nn.ParameterList) and name.isdecimal():
            written += f"[{name}]"
        elif isinstance(at, nn.ModuleDict | nn.ParameterDict):
            written += f'["{name}"]'
        elif name.isidentifier():
            written += f".{name}"
        else:
            written += f'.get_submodule("{name}")'
        at = getattr(at, name)
    return written
