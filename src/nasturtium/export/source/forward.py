"""The forward method of a traced module, written as a person would write it."""

import builtins
import keyword
import re
from collections import Counter
from dataclasses import dataclass, field

from torch import fx, nn
from torch.fx.node import map_arg

from nasturtium.export.source.expressions import ATOM, Expr, Numbers, expression
from nasturtium.export.source.layout import Doc, text
from nasturtium.export.source.loops import Loop, find_loops
from nasturtium.export.source.tracing import in_place

_GENERIC = ("x", "y", "z", "u", "v", "w")
_SIZES = {0: "batch", 1: "channels", 2: "height", 3: "width", -1: "width", -2: "height"}
_SPOKEN = {"add": "total", "sub": "difference", "mul": "product", "truediv": "ratio", "cat": "joined"}
_TAKEN = {"self", "torch", "nn", "Tensor", *keyword.kwlist, *dir(builtins)}
_LONGEST_INLINE, _DEEPEST_INLINE = 56, 3


@dataclass
class Forward:
    """A forward method: parameters, statements (indent, text with marked numbers), and those numbers."""

    parameters: list[str]
    statements: list[tuple[int, Doc]]
    numbers: list[int | float]
    returns: str  # the annotation of its result

    @property
    def template(self) -> str:
        """Equal for forwards that are equal but for numbers."""
        body = "\n".join(" " * indent + doc.flat for indent, doc in self.statements)
        return f"{', '.join(self.parameters)}:\n{body}"


def write_forward(module: nn.Module, graph: fx.Graph) -> Forward:
    """The forward of `module`; raises `UsageError` for what has no plain spelling."""
    return _Writer(module, graph).write()


@dataclass
class _Writer:
    module: nn.Module
    graph: fx.Graph
    numbers: Numbers = field(default_factory=Numbers)
    names: dict[fx.Node, str] = field(default_factory=dict)
    inlined: dict[fx.Node, Expr] = field(default_factory=dict)
    pending: Counter[fx.Node] = field(default_factory=Counter)  # uses of inlined nodes still to be written
    statements: list[tuple[int, Doc]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = list(self.graph.nodes)
        self.position = {node: i for i, node in enumerate(self.nodes)}
        self.changes = [i for i, node in enumerate(self.nodes) if in_place(node, self.module)]
        self.uses = Counter(x for node in self.nodes for x in _inputs(node))
        self.loops = find_loops(self.nodes, self.module)
        self.looped = {node for loop in self.loops for node in loop.nodes}
        self.feeds = {node for loop in self.loops for node in loop.start}
        self.generic: set[str] = set()

    def write(self) -> Forward:
        self._parameters()
        returns = "None"
        for node in self.nodes:
            if node.op == "placeholder":
                continue
            if node in self.looped:
                for loop in self.loops:
                    if loop.nodes[0] is node:
                        self._loop(loop)
            elif node.op == "output":
                self._emit("return " + self._expression(node).doc)
                returns = _annotation(node.args[0])
            else:
                self._statement(node)
        parameters = [self.names[node] for node in self.nodes if node.op == "placeholder"]
        return Forward(parameters, self.statements, self.numbers.values, returns)

    def _parameters(self) -> None:
        """Name the inputs as the author did, without shape letters; items of a list are numbered."""
        inputs = [node for node in self.nodes if node.op == "placeholder"]
        bases = [re.sub(r"_[A-Z]+$", "", str(node.target)) or "x" for node in inputs]
        bases = ["x" if base in _TAKEN and bases.count(base) == 1 else base for base in bases]
        seen: Counter[str] = Counter()
        for node, base in zip(inputs, bases, strict=True):
            seen[base] += 1
            wish = f"{base}{seen[base]}" if bases.count(base) > 1 else base
            self.names[node] = self._unique(wish)
            self.generic.add(self.names[node])

    def _statement(self, node: fx.Node) -> None:
        expr = self._expression(node)
        if not node.users:
            self._emit(expr.doc)
        elif self._fits_in_place(node, expr):
            self.inlined[node] = expr
            self.pending[node] = self.uses[node]
        else:
            name = self._name(node, expr)
            self._emit(f"{name} = " + expr.doc)
            self.names[node] = name

    def _expression(self, node: fx.Node) -> Expr:
        return expression(node, self.module, self._operand, self.numbers)

    def _operand(self, node: fx.Node) -> Expr:
        if node in self.inlined:
            self.pending[node] -= 1
            return self.inlined[node]
        return Expr(text(self.names[node]), ATOM, 0, frozenset([node]))

    def _fits_in_place(self, node: fx.Node, expr: Expr) -> bool:
        """Whether `node` is better written where it is used than given a name."""
        if node.op == "get_attr" or _is_shape(node):
            return True
        if self.uses[node] > 1 or node in self.feeds:
            return False
        (user,) = node.users
        if user.op == "output" and user.args[0] is node:
            return True
        if any(self.position[node] < i < self.position[user] for i in self.changes):
            return False
        return len(expr.doc.flat) <= _LONGEST_INLINE and expr.depth <= _DEEPEST_INLINE

    def _loop(self, loop: Loop) -> None:
        """A ModuleList run in order, each item on the result of the one or two before."""
        variables: list[str] = []
        for node in loop.start:
            name = self.names[node]
            if name in variables:
                name = self._unique(*_GENERIC)
                self._emit(text(f"{name} = {variables[0]}"))
            variables.append(name)
        item = self._unique(_singular(loop.path.rpartition(".")[2]))
        arguments = ", ".join(variables)
        self._emit(text(f"for {item} in {loop.written}:"))
        self._emit(text(f"{arguments} = {', '.join([*variables[1:], f'{item}({arguments})'])}"), indent=4)
        self.generic |= set(variables)
        for node, name in zip(reversed(loop.nodes), reversed(variables), strict=False):
            self.names[node] = name

    def _name(self, node: fx.Node, expr: Expr) -> str:
        size = _size(node)
        if size:
            return self._unique(size)
        tensors = [variable for variable in expr.variables if not _size(variable)]
        if len(tensors) == 1:
            (variable,) = tensors
            if self.names[variable] in self.generic and not self._alive(variable, self.position[node]):
                return self.names[variable]
        if node in self.feeds:
            name = self._unique(*_GENERIC)
            self.generic.add(name)
            return name
        source = node.args[0] if _wish(node) == "getitem" else None
        if isinstance(source, fx.Node) and source in self.names and isinstance(node.args[1], int):
            return self._unique(f"{self.names[source]}{node.args[1]}".replace("-", "_"))
        return self._unique(_wish(node))

    def _alive(self, variable: fx.Node, now: int) -> bool:
        """Whether what `variable` holds is still needed after the statement at `now`."""
        if any(self.position[user] > now for user in variable.users):
            return True
        return any(
            left > 0 and variable in self.inlined[node].variables for node, left in self.pending.items()
        )

    def _unique(self, *wishes: str) -> str:
        """The first of the wished names that is free, or the first with a number."""
        taken = _TAKEN | set(self.names.values()) | {"F"}
        for wish in wishes:
            if wish not in taken:
                return wish
        return next(f"{wishes[0]}{i}" for i in range(2, len(taken) + 3) if f"{wishes[0]}{i}" not in taken)

    def _emit(self, doc: Doc, *, indent: int = 0) -> None:
        self.statements.append((indent, doc))


def _inputs(node: fx.Node) -> list[fx.Node]:
    """The nodes that `node` uses, as often as it does."""
    found: list[fx.Node] = []

    def note(x: fx.Node) -> fx.Node:
        found.append(x)
        return x

    map_arg((node.args, node.kwargs), note)
    return found


def _annotation(result: object) -> str:
    """The type of what a forward returns."""
    if isinstance(result, tuple):
        return "tuple[" + ", ".join(map(_annotation, result)) + "]"
    if isinstance(result, list):
        return f"list[{_annotation(result[0]) if result else 'Tensor'}]"
    return "dict[str, Tensor]" if isinstance(result, dict) else "Tensor"


def _is_shape(node: fx.Node) -> bool:
    return node.target is getattr and node.args[1] in ("shape", "device", "dtype", "ndim")


def _size(node: fx.Node) -> str | None:
    """What one reads from a shape: `batch`, `height`, …"""
    source, index = (*node.args, None, None)[:2]
    of_shape = (
        isinstance(source, fx.Node)
        and _is_shape(source)
        and getattr(node.target, "__name__", "") == "getitem"
    )
    if (of_shape or (node.op == "call_method" and node.target == "size")) and isinstance(index, int):
        users = source.users if of_shape and isinstance(source, fx.Node) else {}
        others = [user.args[1] for user in users if len(user.args) > 1]
        if index == 0 or index < 0 or 3 in others:
            return _SIZES.get(index, f"size{index}".replace("-", "_"))
        return f"size{index}"
    return None


def _wish(node: fx.Node) -> str:
    """A name that says where a value comes from."""
    if node.op == "call_module":
        *above, last = str(node.target).split(".")
        name = _singular(above[-1]) + last if last.isdecimal() and above else last
        return name if name.isidentifier() else "y"
    name = str(node.target) if isinstance(node.target, str) else getattr(node.target, "__name__", "y")
    name = _SPOKEN.get(name, name).strip("_")
    return name if name.isidentifier() and name not in _TAKEN else "y"


def _singular(name: str) -> str:
    for plural, single in (("branches", "branch"), ("ies", "y"), ("s", "")):
        if name.endswith(plural) and not name.endswith("ss"):
            return name[: -len(plural)] + single
    return name if name != "self" else "part"
