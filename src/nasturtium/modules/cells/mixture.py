"""The mixture of a cell: every operation of every edge, weighted, with shared work.

The edges that leave one state are run together. What needs no parameters (ReLU, pooling and its BatchNorm)
is done once per state; operations of the same form run as one with their channels concatenated, and the
weight of each is the scale of its last BatchNorm. An operation says by its form what can be shared: an
`nn.Sequential` is its stages, one after the other; one whose stages are not known here runs by itself.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasturtium.modules.cells.depthwise import depthwise
from nasturtium.modules.cells.normalise import normalise
from nasturtium.modules.choice import add

# act on each channel alone and hold no parameters
_FIXED = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.GELU, nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.MaxPool2d, nn.AvgPool2d)
_KNOWN = (*_FIXED, nn.Conv2d, nn.BatchNorm2d)


@dataclass(frozen=True)
class Lane:
    """One operation on its way from a state to a node; `weight` is the position of its mixing weight."""

    node: int
    weight: int
    stages: tuple[nn.Module, ...]
    forms: tuple[object, ...]  # equal forms can run together

    def knows(self, at: int) -> bool:
        """Whether stage `at` can be run together with others of its form."""
        return not isinstance(self.forms[at], int)

    def weighted(self, weight: int) -> "Lane":
        """The same lane with another mixing weight."""
        return self if weight == self.weight else replace(self, weight=weight)


def lane(op: nn.Module, node: int) -> Lane:
    """The lane of `op` to a node."""
    stages = tuple(_stages(op))
    return Lane(node, 0, stages, tuple(_form(stage) for stage in stages))


@dataclass(frozen=True)
class Output:
    """What lanes end with: the same for all of them, or `weighted` with their channels concatenated."""

    y: Tensor
    lanes: Sequence[Lane]
    weighted: bool


def spread(x_BCHW: Tensor, lanes: Sequence[Lane], weights: Tensor) -> dict[int, Tensor]:
    """What the lanes make of one state, weighted and added up for each node: B×C×H'×W' by node."""
    nodes: dict[int, list[Tensor]] = {}
    totals: dict[tuple[int, ...], Tensor] = {}  # of several nodes, channels concatenated
    unweighted: dict[tuple[torch.Size, frozenset[int]], list[Output]] = {}
    for output in _run(x_BCHW, list(lanes), weights):
        to = tuple(lane.node for lane in output.lanes)
        if output.weighted:
            totals[to] = totals[to] + output.y if to in totals else output.y
        else:
            unweighted.setdefault((output.y.shape, frozenset(to)), []).append(output)
    for to, total in totals.items():
        _keep_layout(total)
        for node, part in zip(to, total.chunk(len(to), dim=1), strict=True):
            nodes.setdefault(node, []).append(part)
    for outputs in unweighted.values():
        for node, part in _blend(outputs, weights):
            nodes.setdefault(node, []).append(part)
    return {node: add(parts) for node, parts in nodes.items()}


def _blend(outputs: Sequence[Output], weights: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The weighted sums of unweighted outputs of one shape, by node, as a product of matrices: nodes ×
    outputs and outputs × values.
    """
    nodes = sorted({lane.node for output in outputs for lane in output.lanes})
    entries = [(nodes.index(lane.node), at, lane) for at, o in enumerate(outputs) for lane in o.lanes]
    row, column, lanes = zip(*entries, strict=True)
    where = (torch.tensor(row, device=weights.device), torch.tensor(column, device=weights.device))
    matrix = weights.new_zeros(len(nodes), len(outputs))
    matrix = matrix.index_put(where, _pick(weights, lanes), accumulate=True)
    first = outputs[0].y
    last = first.is_contiguous(memory_format=torch.channels_last)
    values = torch.stack([(o.y.permute(0, 2, 3, 1) if last else o.y).reshape(-1) for o in outputs])
    b, c, h, w = first.shape
    for node, y in zip(nodes, matrix.to(values.dtype) @ values, strict=True):
        yield node, y.view(b, h, w, c).permute(0, 3, 1, 2) if last else y.view(first.shape)


def _keep_layout(y: Tensor) -> None:
    """Have the gradient of `y` in the memory layout of `y`; BatchNorm's is many times slower with another."""
    last = y.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    if y.requires_grad:
        y.register_hook(lambda gradient: gradient.contiguous(memory_format=layout))


def _stages(op: nn.Module) -> Iterator[nn.Module]:
    if isinstance(op, nn.Sequential) and type(op).forward is nn.Sequential.forward and not _hooked(op):
        for part in op:
            yield from _stages(part)
    elif type(op) is not nn.Identity:
        yield op


def _hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def _form(stage: nn.Module) -> object:
    """What two stages must have in common to run as one; a stage that can't is only like itself."""
    if type(stage) not in _KNOWN or getattr(stage, "inplace", False) or _hooked(stage):
        return id(stage)
    if isinstance(stage, nn.Conv2d) and stage.padding_mode != "zeros":
        return id(stage)
    if isinstance(stage, nn.BatchNorm2d) and (stage.momentum is None or not stage.track_running_stats):
        return id(stage)
    plain = (int, float, str, tuple)
    settings = [k for k, v in vars(stage).items() if k[0] != "_" and k != "training" and isinstance(v, plain)]
    form = (
        type(stage),
        tuple(stage._parameters[name] is None for name in stage._parameters),
        tuple(sorted((name, vars(stage)[name]) for name in settings)),
    )
    return repr(form)  # a text keeps its hash, a tuple computes it every time


def _run(x: Tensor, lanes: list[Lane], weights: Tensor, at: int = 0) -> Iterator[Output]:
    """Outputs of lanes that have the same first `at` stages behind them, with `x` as their result."""
    finished = [lane for lane in lanes if len(lane.stages) == at]
    if finished:
        yield Output(x, finished, weighted=False)
    ahead = [lane for lane in lanes if len(lane.stages) > at]
    wide = cache(lambda n: _cat([x] * n, dim=1))
    for group in _together(ahead, lambda lane: lane.forms[at]):
        stages = [lane.stages[at] for lane in group]
        if group[0].knows(at) and isinstance(stages[0], _FIXED):
            yield from _run(stages[0](x), group, weights, at + 1)
        elif group[0].knows(at) and isinstance(stages[0], nn.BatchNorm2d) and _gives_same(stages[0]):
            yield from _run(_norm_once(x, stages), group, weights, at + 1)
        else:
            for alike in _together(group, lambda lane: lane.forms[at:]):
                yield from _concatenated(x, wide, alike, weights, at)


def _together(lanes: list[Lane], key: Callable[[Lane], object]) -> Iterator[list[Lane]]:
    groups: dict[object, list[Lane]] = {}
    for lane in lanes:
        groups.setdefault(key(lane), []).append(lane)
    yield from groups.values()


def _pick(weights: Tensor, lanes: Sequence[Lane]) -> Tensor:
    """The mixing weights of the lanes."""
    return weights[torch.tensor([lane.weight for lane in lanes], device=weights.device)]


def _concatenated(
    x: Tensor, wide: Callable[[int], Tensor], lanes: list[Lane], weights: Tensor, at: int
) -> Iterator[Output]:
    """Outputs of lanes of the same form from stage `at` on; until then all of them have the result `x`, of
    which `wide` concatenates several.
    """
    first, n = lanes[0], len(lanes)
    if not all(first.knows(step) for step in range(at, len(first.forms))):
        for one in lanes:
            y = x
            for stage in one.stages[at:]:
                y = stage(y)
            yield Output(y, [one], weighted=False)
        return
    scale: Tensor | None = _pick(weights, lanes)
    same = isinstance(first.stages[at], nn.Conv2d) and first.stages[at].groups == 1
    x = x if same else wide(n)
    relu = False  # does the next convolution begin with one?
    for step, (stage, after) in enumerate(zip_longest(first.stages[at:], first.stages[at + 1 :]), at):
        stages = [lane.stages[step] for lane in lanes]
        if isinstance(stage, nn.ReLU) and isinstance(after, nn.Conv2d):
            relu = True
        elif isinstance(stage, nn.Conv2d):
            x = _convolve(x, stages, stage.groups if same else n * stage.groups, relu)
            same = relu = False
        elif isinstance(stage, nn.BatchNorm2d):
            last = after is None and not stage.affine
            x = _norm(x, stages, scale if last else None)
            scale = None if last else scale
        else:
            x = stage(x)
    if scale is not None:
        x = x * scale.repeat_interleave(x.shape[1] // n).view(1, -1, 1, 1).to(x.dtype)
    yield Output(x, lanes, weighted=True)


def _convolve(x: Tensor, stages: Sequence[nn.Module], groups: int, relu: bool) -> Tensor:
    """Convolutions of one form as one of `groups`, after a ReLU or not; outputs are concatenated."""
    first = stages[0]
    assert isinstance(first, nn.Conv2d)
    weight = _cat(_each(stages, "weight"))
    bias = None if first.bias is None else _cat(_each(stages, "bias"))
    if bias is None and groups == len(weight) == x.shape[1] and _square(first):
        return depthwise(x, weight, first.stride[0], int(first.padding[0]), first.dilation[0], relu=relu)
    return F.conv2d(
        x.relu() if relu else x, weight, bias, first.stride, first.padding, first.dilation, groups
    )


def _square(conv: nn.Conv2d) -> bool:
    sizes = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
    return all(not isinstance(size, str) and size[0] == size[1] for size in sizes)


def _norm(x: Tensor, stages: Sequence[nn.Module], scale: Tensor | None) -> Tensor:
    """BatchNorms of one form over concatenated channels, each multiplied by its entry of `scale`."""
    first = stages[0]
    assert isinstance(first, nn.BatchNorm2d)
    mean, var = (torch.cat(_each(stages, name)) for name in ("running_mean", "running_var"))
    weight = bias = None
    if first.affine:
        weight, bias = _cat(_each(stages, "weight")), _cat(_each(stages, "bias"))
    if scale is not None:
        weight = scale.repeat_interleave(first.num_features).to(mean.dtype)
    momentum = first.momentum or 0.0
    if first.training and weight is None and x.device.type == "cpu":
        y = normalise(x, mean, var, momentum, first.eps)
    else:
        y = F.batch_norm(x, mean, var, weight, bias, first.training, momentum, first.eps)
    if first.training:
        _store(stages, mean.chunk(len(stages)), var.chunk(len(stages)))
    return y


def _gives_same(norm: nn.BatchNorm2d) -> bool:
    """Whether every BatchNorm of this form gives the same for the same input."""
    return norm.training and not norm.affine


def _norm_once(x: Tensor, stages: Sequence[nn.Module]) -> Tensor:
    """BatchNorms without parameters of one input, done once; each updates its own statistics."""
    first = stages[0]
    assert isinstance(first, nn.BatchNorm2d)
    fresh = [torch.zeros_like(_each(stages, name)[0]) for name in ("running_mean", "running_var")]
    y = F.batch_norm(x, fresh[0], fresh[1], None, None, True, 1.0, first.eps)
    with torch.no_grad():
        for name, new in zip(("running_mean", "running_var"), fresh, strict=True):
            for statistic in _each(stages, name):
                statistic.lerp_(new, first.momentum or 0.0)
        torch._foreach_add_(_each(stages, "num_batches_tracked"), 1)
    return y


def _store(stages: Sequence[nn.Module], mean: Sequence[Tensor], var: Sequence[Tensor]) -> None:
    with torch.no_grad():
        torch._foreach_copy_(_each(stages, "running_mean"), list(mean))
        torch._foreach_copy_(_each(stages, "running_var"), list(var))
        torch._foreach_add_(_each(stages, "num_batches_tracked"), 1)


def _each(stages: Sequence[nn.Module], name: str) -> list[Tensor]:
    return [getattr(stage, name) for stage in stages]


def _cat(tensors: Sequence[Tensor], *, dim: int = 0) -> Tensor:
    # `repeat` would lose the memory layout
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors), dim)
