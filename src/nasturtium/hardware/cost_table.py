"""What a space's architectures cost, as a sum over parts that are measured once.

FBNet (Wu et al. 2019, https://arxiv.org/abs/1812.03443) and ProxylessNAS (Cai et al. 2019,
https://arxiv.org/abs/1812.00332) add up a cost per layer and candidate, which makes the expected cost of a
distribution over architectures differentiable. Here the parts are those that the network's choices switch on,
each under the literals on the way to it, so that nested choices and shared decisions add up as well.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from nasturtium.core.errors import UsageError
from nasturtium.hardware.meters import count_flops, count_parameters, counting_flops
from nasturtium.modules.blueprint import Blueprint
from nasturtium.modules.choice import Building, Choice, Gate, building
from nasturtium.modules.example import Inputs
from nasturtium.modules.walk import both
from nasturtium.space.architecture import Architecture
from nasturtium.space.conditions import Conjunction, When, active, reads, simplify
from nasturtium.space.decision import Decision
from nasturtium.space.search_space import SearchSpace

Metric = Literal["flops", "params", "latency_ms"]
Costs = Mapping[Conjunction, float]
"""What is spent where a conjunction holds, beside what is spent anyway (the empty one)."""

ALWAYS: Conjunction = frozenset()
REPEATS = 20  # timed passes; the median counts
CHECKED = 3  # architectures on which a table must agree with the meter


class CostTable:
    """Costs of `space` in units of `metric`: multiply-adds of one example (see `count_flops`), trainable
    parameters, or milliseconds of one example on one device.
    """

    def __init__(self, metric: Metric, space: SearchSpace, costs: Costs) -> None:
        self.metric = metric
        self.space = space
        self.costs = dict(costs)
        self._fixed = [_k_of_n_share(conjunction, space) for conjunction in self.costs]
        self._rows = {
            name: _rows(list(self.costs), space.decisions[name])
            for name in sorted(reads(frozenset(self.costs)))
            if not space.decisions[name].many
        }

    @classmethod
    def measured(
        cls, metric: Metric, blueprint: Blueprint, inputs: Inputs, device: torch.device | None = None
    ) -> "CostTable":
        """The costs of a blueprint's networks for one example of `inputs`, in evaluation mode.

        Latencies are those of `device`, where all candidates are run one after the other; what merely adds
        their outputs up is not timed. Raises `UsageError` where costs are no sums over options, naming a
        decision that makes them depend on others, or an architecture for which the sum is wrong.
        """
        with torch.random.fork_rng(devices=[]), building(Building()):
            net = blueprint.make().eval()
        _open_gates(net, blueprint.space)
        if metric == "params":
            return cls(metric, blueprint.space, _parameters(net, blueprint.space))._checked(blueprint, inputs)
        flops = cls("flops", blueprint.space, _flops(net, inputs))._checked(blueprint, inputs)
        if metric == "flops":
            return flops
        return cls(metric, blueprint.space, _latencies(net, inputs, device or torch.device("cpu")))

    def _checked(self, blueprint: Blueprint, inputs: Inputs) -> "CostTable":
        rng = np.random.default_rng(0)
        for _ in range(CHECKED):
            arch = self.space.sample(rng)
            net = blueprint.build(arch, seed=0)
            counted = count_flops(net, *inputs(1)) if self.metric == "flops" else count_parameters(net)
            if self.total(arch) != counted:
                raise UsageError(
                    f"the {self.metric} of this space are no sum over its decisions' options: they would give"
                    f" {self.total(arch):,.0f} for a network that has {counted:,}"
                )
        return self

    def total(self, arch: Architecture) -> float:
        """What `arch` costs."""
        return sum(cost for c, cost in self.costs.items() if active(frozenset([c]), arch))

    def expected(self, probabilities: Mapping[str, Tensor]) -> Tensor:
        """The mean cost of architectures whose decisions are drawn from `probabilities`, a scalar.

        There is a row of one value per option for each one-of-n decision; without a row its options are
        equally likely, as are the values of k-of-n decisions. A row may add up to less than one: the rest
        costs nothing. Raises `UsageError` for a row of a k-of-n decision.
        """
        many = [name for name in probabilities if self.space.decisions[name].many]
        if many:
            raise UsageError(f"expected costs know no probabilities of k-of-n decisions, but got {many[0]!r}")
        like = next(iter(probabilities.values()), torch.zeros((), dtype=torch.float64))
        shares = torch.tensor(self._fixed, dtype=torch.float64).to(like)
        for name, (at, masks) in self._rows.items():
            n = masks.shape[1]
            row = probabilities.get(name, torch.full((n,), 1 / n, dtype=torch.float64).to(like))
            share = torch.ones_like(shares).index_copy(0, at.to(like.device), masks.to(like) @ row)
            shares = shares * share
        return (torch.tensor([*self.costs.values()], dtype=torch.float64).to(like) * shares).sum()

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without the space."""
        rows = [
            {"when": sorted(([w.decision, sorted(w.options, key=str)] for w in c), key=str), "cost": cost}
            for c, cost in self.costs.items()
        ]
        return {"metric": self.metric, "costs": rows}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], space: SearchSpace) -> "CostTable":
        """The table that `to_dict` stored, for a space with the same decisions, perhaps fewer options."""
        costs = {
            frozenset(When(name, frozenset(options)) for name, options in row["when"]): row["cost"]
            for row in values["costs"]
        }
        return cls(values["metric"], space, costs)


def _satisfying(conjunction: Conjunction, decision: Decision) -> list[bool]:
    """For each value of a decision, whether it makes all of its literals true."""
    literals = [when for when in conjunction if when.decision == decision.name]
    return [all(when.holds(value) for when in literals) for value in decision.values()]


def _k_of_n_share(conjunction: Conjunction, space: SearchSpace) -> float:
    """The share of the values of k-of-n decisions for which a conjunction holds."""
    share = 1.0
    for name in {when.decision for when in conjunction}:
        if space.decisions[name].many:
            share *= float(np.mean(_satisfying(conjunction, space.decisions[name])))
    return share


def _rows(conjunctions: list[Conjunction], decision: Decision) -> tuple[Tensor, Tensor]:
    """The positions of the conjunctions that read a one-of-n decision, and which options each allows."""
    at = [i for i, c in enumerate(conjunctions) if any(when.decision == decision.name for when in c)]
    masks = [_satisfying(conjunctions[i], decision) for i in at]
    return torch.tensor(at), torch.tensor(masks, dtype=torch.float64)


def _open_gates(net: nn.Module, space: SearchSpace) -> None:
    """Let every option of `space` run; raises `UsageError` for choices that can't run several."""
    board: dict[str, Gate] = {}
    for choice in _choices(net):
        for decision in choice.decisions():
            kept = space.decisions[decision.name].options
            if len(kept) > 1 and not choice.runs_mixtures:
                raise UsageError(
                    f"the costs of this space are no sum over options: what {type(choice).__name__} costs by"
                    f" {decision.name!r} depends on other decisions"
                )
            board[decision.name] = Gate(tuple(decision.options.index(option) for option in kept))
        choice.connect(board)


def _choices(net: nn.Module) -> list[Choice]:
    return [module for module in net.modules() if isinstance(module, Choice)]


def _parameters(net: nn.Module, space: SearchSpace) -> Costs:
    holders: dict[nn.Parameter, list[Conjunction]] = defaultdict(list)
    for module, under in _parts(net):
        for parameter in module.parameters(recurse=False):
            if parameter.requires_grad:
                holders[parameter].append(under)
    costs: dict[Conjunction, float] = defaultdict(float)
    for parameter, places in holders.items():
        for conjunction, sign in _any_of(places, space).items():
            costs[conjunction] += sign * parameter.numel()
    return costs


def _parts(module: nn.Module, under: Conjunction = ALWAYS) -> Iterator[tuple[nn.Module, Conjunction]]:
    """Every module with the literals on the way to it."""
    yield module, under
    if isinstance(module, Choice):
        for literal, child in module.branches():
            yield from _parts(child, both(under, literal))
    else:
        for child in module.children():
            yield from _parts(child, under)


def _any_of(places: list[Conjunction], space: SearchSpace) -> dict[Conjunction, int]:
    """Where at least one of several conjunctions holds, as a signed sum (inclusion and exclusion)."""
    terms: dict[Conjunction, int] = {}
    for place in simplify(places):
        joined = [(term | place, -sign) for term, sign in terms.items()]
        for conjunction, sign in [(place, 1), *joined]:
            if _possible(conjunction, space):
                terms[conjunction] = terms.get(conjunction, 0) + sign
    return terms


def _possible(conjunction: Conjunction, space: SearchSpace) -> bool:
    names = {when.decision for when in conjunction}
    return all(any(_satisfying(conjunction, space.decisions[name])) for name in names)


def _flops(net: nn.Module, inputs: Inputs) -> Costs:
    with torch.no_grad(), counting_flops(net) as counted, _split(net, counted) as spent:
        net(*inputs(1))
    return spent


def _latencies(net: nn.Module, inputs: Inputs, device: torch.device) -> Costs:
    def milliseconds() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return 1e3 * perf_counter()

    net.to(device)
    example = [x.to(device) for x in inputs(1)]
    passes: list[Costs] = []
    for _ in range(1 + REPEATS):  # the first one warms up
        with torch.no_grad(), _split(net, milliseconds) as spent:
            net(*example)
        passes.append(spent)
    return {c: median(timed[c] for timed in passes[1:]) for c in passes[0]}


@contextmanager
def _split(net: nn.Module, read: Callable[[], float]) -> Iterator[dict[Conjunction, float]]:
    """Splits what `read` has risen by between the conjunctions under which parts of `net` ran inside.

    What a choice of several options does itself, adding up, is left out: no derived network does it.
    """
    spent: dict[Conjunction, float] = defaultdict(float)
    running = [(ALWAYS, True)]
    last = read()

    def lap() -> None:
        nonlocal last
        now = read()
        under, counts = running[-1]
        if counts:
            spent[under] += now - last
        last = now

    def enter(literal: When | Conjunction | None, counts: bool, *_: object) -> None:
        lap()
        running.append((both(running[-1][0], literal), counts))

    def leave(*_: object) -> None:
        lap()
        running.pop()

    hooks = []
    for choice in _choices(net):
        several = any(len(choice.gate(decision.name).index) > 1 for decision in choice.decisions())
        for literal, counts, part in [
            (None, not several, choice),
            *((w, True, m) for w, m in choice.branches()),
        ]:
            hooks.append(part.register_forward_pre_hook(partial(enter, literal, counts)))
            hooks.append(part.register_forward_hook(leave))
    try:
        yield spent
        lap()
    finally:
        for hook in hooks:
            hook.remove()
