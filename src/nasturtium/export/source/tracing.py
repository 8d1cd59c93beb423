"""What each module of a network does in evaluation, one level at a time: its children are single calls."""

import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn

from nasturtium.core.errors import UsageError
from nasturtium.export.source.layers import is_torch_layer


@dataclass
class Traced:
    """One module's forward as a graph. Its placeholders are the tensors it uses, out of any lists."""

    graph: fx.Graph
    spec: str  # the structure of the arguments, tensors as dots
    kept: tuple[int, ...] = ()  # which of the tensors in the arguments are used

    @property
    def identity(self) -> bool:
        """Whether it returns its only input as it is."""
        nodes = list(self.graph.nodes)
        return len(nodes) == 2 and nodes[1].args == (nodes[0],)


@dataclass
class Survey:
    """The traces of all modules that torch does not define, and which modules evaluation uses."""

    net: nn.Module
    inputs: int = 1  # how many tensors the network takes
    traces: dict[str, Traced] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        inputs = fx.Graph()
        self._trace("", self.net, tuple(inputs.placeholder(f"x{i}") for i in range(self.inputs)), {})
        self._mark("", self.net)
        self._other_names()

    def _trace(self, path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Traced:
        arguments = _bind(path, module, args, kwargs)
        spec = _spec(arguments)
        if path in self.traces:
            if self.traces[path].spec != spec:
                raise _untraceable(path, module, "it is called twice with different kinds of arguments")
            return self.traces[path]
        try:
            graph = _OneLevel(arguments).trace(module)
        except UsageError as error:
            raise _untraceable(path, module, str(error)) from error
        except Exception as error:  # whatever the user's own forward raises
            raise _untraceable(path, module, f"{type(error).__name__}: {error}") from error
        _drop_unused(graph, module)
        for node in list(graph.find_nodes(op="call_module")):
            self._child(path, module, node)
        _drop_unused(graph, module)
        self.traces[path] = traced = Traced(graph, spec)
        traced.kept = _drop_placeholders(graph)
        return traced

    def _child(self, path: str, module: nn.Module, node: fx.Node) -> None:
        """Trace what `node` calls, and pass it the tensors that it uses one by one."""
        child = module.get_submodule(str(node.target))
        at = join(path, str(node.target))
        if type(child) is nn.Sequential:
            self._sequence(at, child, node)
        elif not is_torch_layer(child):
            traced = self._trace(at, child, node.args, node.kwargs)
            tensors = list(leaves(_bind(at, child, node.args, node.kwargs)))
            node.args, node.kwargs = tuple(tensors[i] for i in traced.kept), {}
            if traced.identity:
                node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
                node.graph.erase_node(node)

    def _sequence(self, path: str, sequence: nn.Sequential, node: fx.Node) -> None:
        if not all(isinstance(x, fx.Node) for x in node.args) or len(node.args) != 1:
            raise _untraceable(path, sequence, "a Sequential must be called with one tensor")
        graph = fx.Graph()
        x = graph.placeholder("x")
        for name, _ in sequence.named_children():
            self._child(path, sequence, graph.call_module(name, (x,)))

    def _mark(self, path: str, module: nn.Module) -> None:
        """Put a used module, and what it uses, into `used`."""
        self.used.add(path)
        if path in self.traces:
            for node in self.traces[path].graph.nodes:
                if node.op == "get_attr":
                    self.used |= set(_above(join(path, str(node.target))))
                if node.op == "call_module":
                    at = join(path, str(node.target))
                    self.used |= set(_above(at))
                    self._mark(at, module.get_submodule(str(node.target)))
        elif type(module) is nn.Sequential or (is_torch_layer(module) and not _holder(module)):
            for name, child in module.named_children():
                self._mark(join(path, name), child)

    def _other_names(self) -> None:
        """What is used under one name is used under all that it has."""
        first = {id(self.net.get_submodule(path)): path for path in sorted(self.used) if path}
        for path, module in self.net.named_modules(remove_duplicate=False):
            known = first.get(id(module), path)
            if path != known and path.rpartition(".")[0] in self.used:
                self.used.add(path)
                if known in self.traces:
                    self.traces[path] = self.traces[known]


class _OneLevel(fx.Tracer):
    """Records a forward with all children as leaves; `arguments` say where tensors come in."""

    proxy_buffer_attributes = True

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        self.arguments = arguments

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if type(m) is nn.Sequential and m not in (self.submodule_paths or {}):  # a slice of one that is there
            return functools.reduce(lambda x, part: part(x), m, *args)
        return super().call_module(m, forward, args, kwargs)

    def create_arg(self, a: Any) -> Any:
        if isinstance(a, Tensor) and not isinstance(a, nn.Parameter):
            held = [*self.root.named_buffers(), *self.root.named_parameters()]
            if not any(a is tensor for _, tensor in held):
                raise UsageError(
                    "its forward makes or holds a constant tensor; register that as a buffer in __init__"
                )
        return super().create_arg(a)

    def create_args_for_root(
        self, root_fn: Any, is_module: bool, concrete_args: Any = None
    ) -> tuple[Any, list[Any]]:
        def fresh(node: fx.Node, name: str) -> Any:
            return self.create_proxy("placeholder", name, (), {})

        values = {name: _replace(value, fresh, name) for name, value in self.arguments.items()}
        bound = inspect.signature(root_fn).bind_partial()
        bound.arguments.update({list(inspect.signature(root_fn).parameters)[0]: self.root, **values})
        call = functools.partial(root_fn, *bound.args, **bound.kwargs)
        call.__annotations__ = {}
        return call, []


def join(path: str, name: str) -> str:
    """The path of a child."""
    return f"{path}.{name}" if path else name


def leaves(value: Any) -> Iterator[fx.Node]:
    """The tensors in nested arguments, in order."""
    if isinstance(value, fx.Node):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)


def _replace(value: Any, make: Callable[[fx.Node, str], Any], name: str) -> Any:
    if isinstance(value, fx.Node):
        return make(value, name)
    if isinstance(value, list | tuple):
        items = [_replace(item, make, _singular(name)) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, dict):
        return {key: _replace(item, make, f"{_singular(name)}_{key}") for key, item in value.items()}
    return value


def _singular(name: str) -> str:
    return name[:-1] if name.endswith("s") and len(name) > 2 else name


def _spec(value: Any) -> str:
    """The structure of arguments, with a dot for each tensor."""
    if isinstance(value, fx.Node):
        return "·"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_spec, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_spec(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _bind(path: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by the parameter of `forward` that takes them; those left to their defaults are absent."""
    try:
        return dict(inspect.signature(module.forward).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError) as error:
        raise _untraceable(path, module, str(error)) from error


def _holder(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict)


def _above(path: str) -> Iterator[str]:
    """The modules in which something lies."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def in_place(node: fx.Node, module: nn.Module) -> bool:
    """Whether the node changes one of its arguments."""
    if node.op == "call_module":
        return bool(getattr(module.get_submodule(str(node.target)), "inplace", False))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    return bool(node.kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))


def _drop_unused(graph: fx.Graph, module: nn.Module) -> None:
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op not in ("placeholder", "output") and not in_place(node, module):
            graph.erase_node(node)


def _drop_placeholders(graph: fx.Graph) -> tuple[int, ...]:
    """Remove the inputs that nothing uses; returns the positions of the others."""
    kept = []
    for i, node in enumerate(list(graph.find_nodes(op="placeholder"))):
        if node.users:
            kept.append(i)
        else:
            graph.erase_node(node)
    return tuple(kept)


def _untraceable(path: str, module: nn.Module, reason: str) -> UsageError:
    where = f"module {path!r}" if path else "the network itself"
    return UsageError(
        f"{where} ({type(module).__name__}) can't be written as source: {reason}. Its forward must not let"
        " values or shapes of tensors decide what runs; move such a decision into __init__, or export to ONNX"
        " instead"
    )
